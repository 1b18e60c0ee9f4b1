# UPerNet + BEiT-B, then SEP. The released BEiT + SEP weights are of a plain ViT: test them with
# --cfg-options model.backbone.variant=plain
_base_ = ['./upernet_vit.py', '../_base_/pretrains/beit_vit.py']
pretrain_source = _base_.beit_vit
model = dict(backbone=dict(variant='beit', init_cfg=dict(checkpoint=pretrain_source['path'])))
