train_cfg = dict(type='ResumableIterLoop', max_iters=80000, val_interval=5000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
# The learning rates are for 8 GPUs x 12 images
auto_scale_lr = dict(enable=False, base_batch_size=96)
