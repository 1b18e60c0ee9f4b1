# Any COCO boxes, prompted to SAM 3
_base_ = [
    '../_base_/datasets/coco_boxes.py',
    '../_base_/prompt_segmentors/sam3.py',
    '../_base_/default_annotate.py',
]
prompt = 'hbox'
