# Any COCO boxes, prompted to HQ-SAM ViT-H
_base_ = [
    '../_base_/datasets/coco_boxes.py',
    '../_base_/prompt_segmentors/sam-hq_vit-h.py',
    '../_base_/default_annotate.py',
]
prompt = 'hbox'
