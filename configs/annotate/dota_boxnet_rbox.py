# Any folder in DOTA's format (images/ and labelTxt/), weights in the package
_base_ = [
    '../_base_/datasets/dota_boxes.py',
    '../_base_/prompt_segmentors/boxnet.py',
    '../_base_/default_annotate.py',
]
prompt = 'rbox'
