# Potsdam: UPerNet + BEiT after SEP; the released weights need model.backbone.variant=plain (README)
_base_ = './upernet_vit_beit_potsdam.py'
load_from = 'pretrain/sep/upernet_vit_beit.pth'
pretrain_source = None
model = dict(backbone=dict(init_cfg=None))
