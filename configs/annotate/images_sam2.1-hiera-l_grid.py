# Any images, all that SAM 2.1 Hiera-L finds in them
_base_ = [
    '../_base_/datasets/images.py',
    '../_base_/prompt_segmentors/sam2.1_hiera-l.py',
    '../_base_/default_annotate.py',
]
prompt = 'grid'
model = dict(chunk=64)
grid = dict(min_score=0.8)
