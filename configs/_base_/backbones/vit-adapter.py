# ViT-Adapter-B
backbone = dict(type='ViTAdapter', arch='b', drop_path_rate=0.3)
backbone_channels = [768, 768, 768, 768]
