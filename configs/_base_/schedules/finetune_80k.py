# As in pre-training, but with batches of 8, and validated at the end only: the validation tiles
# are the benchmark's, not for choosing a checkpoint
_base_ = './iters_80k.py'
train_cfg = dict(val_interval=80000)
auto_scale_lr = dict(base_batch_size=8)
