# ViTAEv2-S
backbone = dict(type='ViTAEv2', arch='s', drop_path_rate=0.3)
backbone_channels = [64, 128, 256, 512]
