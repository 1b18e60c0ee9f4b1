# UPerNet over four levels of any backbone, pre-trained on SAMRS; leaves add the backbone,
# in_channels and channels
_base_ = [
    '../decoders/upernet.py',
    '../segmentors/sep.py',
    '../datasets/samrs.py',
    '../schedules/iters_80k.py',
    '../schedules/adamw_vit_80k.py',
]
model = dict(decode_head=_base_.decode_head, **_base_.segmentor)
# Of a plain transformer, whose maps have one stride
pyramid = dict(type='Feature2Pyramid', norm_cfg=dict(type='BN', requires_grad=True))
