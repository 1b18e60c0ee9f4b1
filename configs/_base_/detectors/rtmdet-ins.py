# RTMDet-Ins
_base_ = ['./instance.py', './rtmdet.py', '../schedules/adamw_detector_80k.py']
detector = dict(data_preprocessor=_base_.preprocessor, **_base_.rtmdet_ins)
