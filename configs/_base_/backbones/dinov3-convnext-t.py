# DINOv3 ConvNeXt-T by timm
backbone = dict(
    type='TIMMBackbone',
    model_name='convnext_tiny',
    pretrained=False,
    features_only=True,
    out_indices=(0, 1, 2, 3),
    init_cfg=dict(type='Pretrained', checkpoint='pretrain/dinov3_convnext-t.pth'),
)
backbone_channels = [96, 192, 384, 768]
