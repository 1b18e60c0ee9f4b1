# Any folder in DOTA's format (images/ and labelTxt/), no weights needed
_base_ = [
    '../_base_/datasets/dota_boxes.py',
    '../_base_/prompt_segmentors/grabcut.py',
    '../_base_/default_annotate.py',
]
prompt = 'rbox'
