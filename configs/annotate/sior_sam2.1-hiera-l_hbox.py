# DIOR, prompted as for SIOR, with SAM 2.1 Hiera-L
_base_ = [
    '../_base_/datasets/sior_boxes.py',
    '../_base_/prompt_segmentors/sam2.1_hiera-l.py',
    '../_base_/default_annotate.py',
]
prompt = 'hbox'
prompt_style = 'authors'
overlap_policy = 'file_order'
