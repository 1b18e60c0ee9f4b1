# Any COCO boxes, no weights needed
_base_ = [
    '../_base_/datasets/coco_boxes.py',
    '../_base_/prompt_segmentors/grabcut.py',
    '../_base_/default_annotate.py',
]
prompt = 'hbox'
