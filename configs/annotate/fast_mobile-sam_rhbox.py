# FAIR1M-2.0 as FAST, prompted to MobileSAM instead of SAM
_base_ = [
    '../_base_/datasets/fast_boxes.py',
    '../_base_/prompt_segmentors/mobile-sam.py',
    '../_base_/default_annotate.py',
]
prompt = 'rhbox'
prompt_style = 'authors'
overlap_policy = 'file_order'
