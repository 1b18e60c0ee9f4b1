# RefSegRS, RISBench or RRSIS-D, no weights needed: true masks for the prompt ablation
_base_ = [
    '../_base_/datasets/referring_boxes.py',
    '../_base_/prompt_segmentors/grabcut.py',
    '../_base_/default_annotate.py',
]
prompt = 'hbox'
