"""ResNet: mmsegmentation has torchvision's names."""

from samrs_mm.models.conversion.rules import CLASSIFIER, Network, Rule

NETWORK = Network(
    'resnet50',
    mark=r'layer1\.0\.conv1\.weight',
    rules=(Rule(r'fc\.\w+', reason=CLASSIFIER),),
    fresh={r'.+\.num_batches_tracked': 'starts at 0; torchvision had none until 2018'},
)
