# OCRNet + ResNet-50 whose last levels have stride 8, ImageNet weights, then SEP
_base_ = [
    '../_base_/backbones/resnet50.py',
    '../_base_/decoders/ocrnet.py',
    '../_base_/pretrains/imp_resnet50.py',
    '../_base_/segmentors/sep.py',
    '../_base_/datasets/samrs.py',
    '../_base_/schedules/iters_80k.py',
    '../_base_/schedules/adamw_resnet50_80k.py',
]
pretrain_source = _base_.imp_resnet50
weights = dict(type='Pretrained', checkpoint=pretrain_source['path'])
stride_8 = dict(strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4))
fcn, ocr = _base_.decode_head
segmentor = _base_.segmentor
segmentor.update(type='MultiHeadCascadeEncoderDecoder', num_stages=2)
model = dict(
    backbone=dict(init_cfg=weights, **stride_8, **_base_.backbone),
    decode_head=[dict(in_channels=1024, **fcn), dict(in_channels=2048, **ocr)],
    **segmentor,
)
