# Any COCO boxes, prompted to MobileSAM
_base_ = [
    '../_base_/datasets/coco_boxes.py',
    '../_base_/prompt_segmentors/mobile-sam.py',
    '../_base_/default_annotate.py',
]
prompt = 'hbox'
