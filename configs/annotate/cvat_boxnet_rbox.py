# Boxes of CVAT, weights in the package
_base_ = [
    '../_base_/datasets/cvat_boxes.py',
    '../_base_/prompt_segmentors/boxnet.py',
    '../_base_/default_annotate.py',
]
prompt = 'rbox'
