# GeoTIFFs and boxes on the map, no weights needed
_base_ = [
    '../_base_/datasets/geo_boxes.py',
    '../_base_/prompt_segmentors/grabcut.py',
    '../_base_/default_annotate.py',
]
prompt = 'rbox'
