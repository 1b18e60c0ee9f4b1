# UNet over four levels of any backbone, pre-trained on SAMRS; leaves add backbone and in_channels
_base_ = [
    '../decoders/unet.py',
    '../segmentors/sep.py',
    '../datasets/samrs.py',
    '../schedules/iters_80k.py',
    '../schedules/adamw_vit_80k.py',
]
model = dict(decode_head=_base_.decode_head, **_base_.segmentor)
