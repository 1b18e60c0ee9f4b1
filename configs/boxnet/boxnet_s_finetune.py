# The package's weights, taught on your own masks: --cfg-options masks.data_root=DIR, an annotated
# folder or COCO truth. Drawn crops are mixed in against forgetting. Minutes on a CPU.
_base_ = './boxnet_s.py'
masks = dict(type='MaskCrops', data_root='data/own', held_out=0.25)
views = [dict(type='FlipCrop'), dict(type='RecolourCrop')]
drawn = dict(_base_.train_dataloader.dataset, sides=((0, 96),), seed=3)
mixed = dict(
    type='MixedCrops',
    datasets=[dict(masks, pipeline=[*views, *_base_.crop_pipeline]), drawn],
    shares=(2, 1), length=_base_.crops, _delete_=True,
)  # fmt: skip
iterations = 200
train_dataloader = dict(batch_size=24, dataset=mixed)
val_dataloader = dict(
    dataset=dict(masks, part='val', pipeline=[dict(type='PackCrop')], _delete_=True)
)
test_dataloader = val_dataloader
val_evaluator = test_evaluator = dict(type='BoxMaskMetric', prior=10.0)  # few objects
model = dict(widths=None, checkpoint='boxnet_s')
optim_wrapper = dict(optimizer=dict(lr=3e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, begin=0, end=20, by_epoch=False),
    dict(type='CosineAnnealingLR', T_max=iterations - 20, begin=20, end=iterations, by_epoch=False),
]
train_cfg = dict(max_iters=iterations, val_interval=50)
default_hooks = dict(
    boxnet=dict(beat_start=True), checkpoint=dict(interval=50), logger=dict(interval=10),
    first=dict(type='ValidateFirstHook'),
)  # fmt: skip
