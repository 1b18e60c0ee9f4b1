# Boxes of LabelMe or X-AnyLabeling, weights in the package
_base_ = [
    '../_base_/datasets/labelme_boxes.py',
    '../_base_/prompt_segmentors/boxnet.py',
    '../_base_/default_annotate.py',
]
prompt = 'rbox'
