# OCRNet + ResNet-50 from ImageNet weights, but for the dataset and its classes; leaves give both
# heads num_classes
_base_ = [
    '../backbones/resnet50.py',
    '../decoders/ocrnet.py',
    '../pretrains/imp_resnet50.py',
    '../segmentors/finetune.py',
    '../schedules/finetune_80k.py',
    '../schedules/adamw_resnet50_80k.py',
]
pretrain_source = _base_.imp_resnet50
weights = dict(type='Pretrained', checkpoint=pretrain_source['path'])
stride_8 = dict(strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4))
segmentor = _base_.segmentor
segmentor.update(type='CascadeEncoderDecoder', num_stages=2)
model = dict(backbone=dict(init_cfg=weights, **stride_8, **_base_.backbone), **segmentor)
