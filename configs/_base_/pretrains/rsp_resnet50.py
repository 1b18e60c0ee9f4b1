# Remote sensing pre-training on MillionAID (arXiv:2204.02825). The released file keeps its weights
# under 'model', which mmengine does not look into: save them under 'state_dict' at this path.
rsp_resnet50 = dict(
    path='pretrain/rsp-resnet-50-state_dict.pth',
    url='https://github.com/ViTAE-Transformer/RSP (rsp-resnet-50-ckpt.pth)',
    keys=['conv1.weight', 'layer1.0.conv1.weight', 'layer4.2.bn3.running_var'],
)
