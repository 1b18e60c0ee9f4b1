# Remote sensing pre-training on MillionAID (arXiv:2204.02825)
rsp_resnet50 = dict(
    path='pretrain/rsp_resnet50.pth',
    file='rsp-resnet-50-ckpt.pth',
    url='https://github.com/ViTAE-Transformer/RSP',
    keys=['conv1.weight', 'layer1.0.conv1.weight', 'layer4.2.bn3.running_var'],
)
