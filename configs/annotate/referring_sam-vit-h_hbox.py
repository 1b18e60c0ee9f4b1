# RefSegRS, RISBench or RRSIS-D: a ground with true masks for the prompt ablation
_base_ = [
    '../_base_/datasets/referring_boxes.py',
    '../_base_/prompt_segmentors/sam_vit-h.py',
    '../_base_/default_annotate.py',
]
prompt = 'hbox'
