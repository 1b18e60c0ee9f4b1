# The masks that labels have, of any format that is read, made finer by SAM ViT-H
_base_ = [
    '../_base_/datasets/any_boxes.py',
    '../_base_/prompt_segmentors/sam_vit-h.py',
    '../_base_/default_annotate.py',
]
prompt = 'hbox+mask'
