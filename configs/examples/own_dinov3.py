# Your own data as in own_finetune.py, after SEP by configs/outside/upernet_dinov3-vit-s.py, whose
# backbone, neck and decode head these are
_base_ = './own_finetune.py'
load_from = 'pretrain/sep/upernet_dinov3-vit-s.pth'
vit = dict(type='TIMMBackbone', model_name='vit_small_patch16_dinov3', pretrained=False)
pyramid = dict(type='Feature2Pyramid', norm_cfg=dict(type='BN', requires_grad=True))
model = dict(
    backbone=dict(_delete_=True, features_only=True, out_indices=(2, 5, 8, 11), **vit),
    neck=dict(embed_dim=384, **pyramid),
    decode_head=dict(in_channels=[384] * 4, channels=384),
)
optim_wrapper = dict(optimizer=dict(lr=6e-5), paramwise_cfg=dict(flat_decay_mult=0.0))
param_scheduler = [dict(_base_.param_scheduler[0], eta_min=0.0)]
