# ViT-B/16 with rotated varied-size window attention; no position embedding, so any image size.
# offset_divisor='corrected' for weights that were not trained by the authors' code
backbone = dict(
    type='ViTRVSA', arch='b', window_size=7, offset_divisor='released', drop_path_rate=0.1
)
backbone_channels = [768, 768, 768, 768]
