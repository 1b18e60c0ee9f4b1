# The masks that labels have, of any format that is read, made finer by BoxNet
_base_ = [
    '../_base_/datasets/any_boxes.py',
    '../_base_/prompt_segmentors/boxnet.py',
    '../_base_/default_annotate.py',
]
prompt = 'hbox+mask'
