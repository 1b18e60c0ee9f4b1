# As sep.py; a head classifies Mask2Former's queries
_base_ = './sep.py'
segmentor = dict(type='MultiHeadMask2Former')
