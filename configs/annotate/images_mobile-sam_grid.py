# Any images, all that MobileSAM finds in them
_base_ = [
    '../_base_/datasets/images.py',
    '../_base_/prompt_segmentors/mobile-sam.py',
    '../_base_/default_annotate.py',
]
prompt = 'grid'
model = dict(chunk=64)
