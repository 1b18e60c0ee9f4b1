# mtp_study.py: study_sep.py with a backbone of half the width
_base_ = './study_sep.py'
model = dict(backbone=dict(base_channels=32), decode_head=dict(in_channels=[32, 64, 128, 256]))
