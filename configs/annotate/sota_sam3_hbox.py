# DOTA-v2.0, tiled and prompted as for SOTA, with SAM 3
_base_ = [
    '../_base_/datasets/sota_boxes.py',
    '../_base_/prompt_segmentors/sam3.py',
    '../_base_/default_annotate.py',
]
prompt = 'hbox'
prompt_style = 'authors'
overlap_policy = 'file_order'
