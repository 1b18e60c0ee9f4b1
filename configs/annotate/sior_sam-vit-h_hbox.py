# DIOR -> SIOR, as in the SAMRS paper (section 3.2): 800 px images, H-Box prompts
_base_ = [
    '../_base_/datasets/sior_boxes.py',
    '../_base_/prompt_segmentors/sam_vit-h.py',
    '../_base_/default_annotate.py',
]
prompt = 'hbox'
prompt_style = 'authors'
overlap_policy = 'file_order'
