# DOTA-v2.0 as SOTA, prompted to MobileSAM instead of SAM
_base_ = [
    '../_base_/datasets/sota_boxes.py',
    '../_base_/prompt_segmentors/mobile-sam.py',
    '../_base_/default_annotate.py',
]
prompt = 'hbox'
prompt_style = 'authors'
overlap_policy = 'file_order'
