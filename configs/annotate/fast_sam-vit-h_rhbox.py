# FAIR1M-2.0 -> FAST, as in the SAMRS paper (section 3.2): 600 px tiles, RH-Box prompts
_base_ = [
    '../_base_/datasets/fast_boxes.py',
    '../_base_/prompt_segmentors/sam_vit-h.py',
    '../_base_/default_annotate.py',
]
prompt = 'rhbox'
prompt_style = 'authors'
overlap_policy = 'file_order'
