# RTMDet-R
_base_ = ['./rotated.py', './rtmdet.py', '../schedules/adamw_detector_80k.py']
detector = dict(data_preprocessor=_base_.preprocessor, **_base_.rtmdet_r)
