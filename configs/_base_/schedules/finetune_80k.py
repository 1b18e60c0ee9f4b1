# As in pre-training, but on 8 GPUs x 1 image, and validated at the end only: the validation tiles
# are the benchmark's, not for choosing a checkpoint
_base_ = './iters_80k.py'
train_cfg = dict(val_interval=80000)
auto_scale_lr = dict(base_batch_size=8)
