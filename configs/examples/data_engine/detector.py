# RTMDet tiny from random weights on boxes of annotated folders of small images, for a CPU: set
# data_root of train_dataloader.dataset and val_dataloader.dataset, model.bbox_head.num_classes
_base_ = '../instance_demo.py'
boxes_only = dict(type='mmdet.LoadAnnotations', with_bbox=True)
train_pipeline, test_pipeline = (
    [boxes_only if step['type'] == 'mmdet.LoadAnnotations' else step for step in pipeline]
    for pipeline in (_base_.train_pipeline, _base_.test_pipeline)
)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(metric='bbox')
test_evaluator = val_evaluator
head = dict(_base_.model.bbox_head, _delete_=True, type='RTMDetSepBNHead')
head.pop('loss_mask')
model = dict(data_preprocessor=dict(pad_mask=False), bbox_head=head)
default_hooks = dict(checkpoint=dict(save_best='coco/bbox_mAP'))
