# DIOR, prompted as for SIOR, with SAM 3
_base_ = [
    '../_base_/datasets/sior_boxes.py',
    '../_base_/prompt_segmentors/sam3.py',
    '../_base_/default_annotate.py',
]
prompt = 'hbox'
prompt_style = 'authors'
overlap_policy = 'file_order'
