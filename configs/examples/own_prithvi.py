# Your own rasters as in own_finetune.py, of the six bands of HLS (blue, green, red, narrow NIR,
# SWIR 1, SWIR 2; reflectance times 10,000), from the weights of Prithvi-EO 1.0, one date
_base_ = './own_finetune.py'
load_from = None
bands = dict(bands=[1, 2, 3, 4, 5, 6], form='values')
crop = dict(type='RandomScaleCrop', crop_size=(224, 224))
train_pipeline = [dict(type='LoadWindow', image=bands, crop=crop), *_base_.train_pipeline[1:]]
test_pipeline = [dict(_base_.test_pipeline[0], image=bands), *_base_.test_pipeline[1:]]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
weights = dict(type='Pretrained', checkpoint='pretrain/prithvi_vit-b.pth')
pyramid = dict(type='Feature2Pyramid', norm_cfg=dict(type='BN', requires_grad=True))
model = dict(
    data_preprocessor=dict(
        type='BandPreProcessor',  # numbers of Prithvi's config.yaml
        mean=[775.229, 1080.993, 1228.586, 2497.202, 2204.214, 1610.832],
        std=[1281.526, 1270.030, 1399.480, 1368.345, 1291.676, 1154.506],
    ),
    backbone=dict(_delete_=True, type='MAEViT', arch='b', in_channels=6, init_cfg=weights),
    neck=dict(embed_dim=768, **pyramid),
    decode_head=dict(in_channels=[768] * 4, channels=512),
)
optim_wrapper = dict(optimizer=dict(lr=6e-5), paramwise_cfg=dict(flat_decay_mult=0.0))
param_scheduler = [dict(_base_.param_scheduler[0], eta_min=0.0)]
