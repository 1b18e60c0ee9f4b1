# ViT-B/16 for images of 224; a leaf for others adds img_size, and one for BEiT variant='beit'
backbone = dict(type='ViT', arch='b', drop_path_rate=0.15)
backbone_channels = [768, 768, 768, 768]
