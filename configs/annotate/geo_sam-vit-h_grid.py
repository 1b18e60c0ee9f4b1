# GeoTIFFs, all that SAM ViT-H finds in them
_base_ = [
    '../_base_/datasets/geo_images.py',
    '../_base_/prompt_segmentors/sam_vit-h.py',
    '../_base_/default_annotate.py',
]
prompt = 'grid'
model = dict(chunk=64)
