# DOTA-v2.0, tiled and prompted as for SOTA, with SAM 2.1 Hiera-L
_base_ = [
    '../_base_/datasets/sota_boxes.py',
    '../_base_/prompt_segmentors/sam2.1_hiera-l.py',
    '../_base_/default_annotate.py',
]
prompt = 'hbox'
prompt_style = 'authors'
overlap_policy = 'file_order'
