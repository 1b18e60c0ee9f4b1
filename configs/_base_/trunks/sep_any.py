# What any decode head of mmsegmentation needs to be pre-trained on SAMRS; leaves add it with its
# type, and the backbone
_base_ = [
    '../segmentors/sep.py',
    '../datasets/samrs.py',
    '../schedules/iters_80k.py',
    '../schedules/adamw_vit_80k.py',
]
norm_cfg = dict(type='BN', requires_grad=True)
model = dict(
    decode_head=dict(
        dropout_ratio=0.1,
        norm_cfg=norm_cfg,
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True),
    ),
    **_base_.segmentor,
)
