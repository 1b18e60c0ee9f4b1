# DOTA-v2.0 -> SOTA, as in the SAMRS paper (section 3.2): 1024 px tiles, H-Box prompts
_base_ = [
    '../_base_/datasets/sota_boxes.py',
    '../_base_/prompt_segmentors/sam_vit-h.py',
    '../_base_/default_annotate.py',
]
prompt = 'hbox'
prompt_style = 'authors'
overlap_policy = 'file_order'
