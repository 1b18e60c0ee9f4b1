# FAIR1M-2.0, tiled and prompted as for FAST, with SAM 3
_base_ = [
    '../_base_/datasets/fast_boxes.py',
    '../_base_/prompt_segmentors/sam3.py',
    '../_base_/default_annotate.py',
]
prompt = 'rhbox'
prompt_style = 'authors'
overlap_policy = 'file_order'
