# mtp_study.py, fine-tuning to label maps: study_finetune.py with a backbone of half the width
_base_ = './study_finetune.py'
model = dict(backbone=dict(base_channels=32), decode_head=dict(in_channels=[32, 64, 128, 256]))
