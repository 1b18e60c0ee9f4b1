# GeoTIFFs and boxes on the map
_base_ = [
    '../_base_/datasets/geo_boxes.py',
    '../_base_/prompt_segmentors/sam_vit-h.py',
    '../_base_/default_annotate.py',
]
prompt = 'hbox'
