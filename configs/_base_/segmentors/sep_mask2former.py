# As sep.py; a head tells the classes of Mask2Former's queries
_base_ = './sep.py'
segmentor = dict(type='MultiHeadMask2Former')
