# The masks that labels have, of any format that is read, as they are: no network, no box
_base_ = [
    '../_base_/datasets/any_boxes.py',
    '../_base_/prompt_segmentors/box_fill.py',
    '../_base_/default_annotate.py',
]
prompt = 'mask'
