# Boxes of Pascal VOC, weights in the package
_base_ = [
    '../_base_/datasets/voc_boxes.py',
    '../_base_/prompt_segmentors/boxnet.py',
    '../_base_/default_annotate.py',
]
prompt = 'hbox'
