# torchvision's ImageNet weights (BSD-3-Clause); their fc.* is not used
imp_resnet50 = dict(
    path='pretrain/resnet50-19c8e357.pth',
    url='https://download.pytorch.org/models/resnet50-19c8e357.pth',
    keys=['conv1.weight', 'layer1.0.conv1.weight', 'layer4.2.bn3.running_var'],
)
