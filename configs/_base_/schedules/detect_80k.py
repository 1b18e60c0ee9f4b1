# Detection: batches of 8
_base_ = './iters_80k.py'
auto_scale_lr = dict(base_batch_size=8)
