# Any COCO boxes, prompted to SAM 2.1 Hiera-L
_base_ = [
    '../_base_/datasets/coco_boxes.py',
    '../_base_/prompt_segmentors/sam2.1_hiera-l.py',
    '../_base_/default_annotate.py',
]
prompt = 'hbox'
