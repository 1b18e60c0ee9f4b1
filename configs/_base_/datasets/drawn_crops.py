# Drawn crops to train on, and others, by another seed, to validate on. A folder of overhead
# pictures without labels makes them more real: train_dataloader.dataset.drawing.textures=DIR
crop_batch = 32
crop_pipeline = [
    dict(type='CentreClick', share=0.1),
    dict(type='BoxAsMask', share=0.06),
    dict(type='ClickForBox', share=0.06),
    dict(type='PackCrop'),
]
train_dataloader = dict(
    batch_size=crop_batch,
    num_workers=1,
    persistent_workers=True,
    prefetch_factor=4,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='StreamSampler', seed=0),
    dataset=dict(
        type='DrawnCrops', length=crop_batch * 16000, seed=1, drawing=dict(), pipeline=crop_pipeline
    ),
)
val_dataloader = dict(
    batch_size=crop_batch,
    num_workers=0,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='DrawnCrops', length=320, seed=2, pipeline=[dict(type='PackCrop')]),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='BoxMaskMetric')
test_evaluator = val_evaluator
