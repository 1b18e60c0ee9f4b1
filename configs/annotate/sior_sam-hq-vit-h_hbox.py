# DIOR as SIOR, prompted to HQ-SAM ViT-H instead of SAM
_base_ = [
    '../_base_/datasets/sior_boxes.py',
    '../_base_/prompt_segmentors/sam-hq_vit-h.py',
    '../_base_/default_annotate.py',
]
prompt = 'hbox'
prompt_style = 'authors'
overlap_policy = 'file_order'
