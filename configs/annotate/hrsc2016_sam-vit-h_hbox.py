# HRSC2016's test set: the ground for the paper's prompt ablation (Table 1)
_base_ = [
    '../_base_/datasets/hrsc2016_boxes.py',
    '../_base_/prompt_segmentors/sam_vit-h.py',
    '../_base_/default_annotate.py',
]
prompt = 'hbox'
