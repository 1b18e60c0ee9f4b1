"""What notebooks and scripts call: masks of boxes, annotated folders, trained networks.

::

    segmentor = samrs_mm.load_segmentor('boxnet')
    masks = segmentor.segment('photo.png', [[10, 20, 60, 50]]).masks     # (1, H, W) bool

    for image in samrs_mm.open_annotated('data/mine'):
        image.image, image.masks, image.categories, image.label_map      # read when asked for

    network = samrs_mm.load_network('config.py', 'weights.pth')
    labels = network.predict('scene.tif')                                # (H, W) uint8

It is the code of the tools: the results are theirs. Images are RGB. What can't be done raises a
``samrs_mm.core.errors.SamrsError`` whose message is one line. Torch is imported by what needs it.
"""

from samrs_mm.api.annotated import AnnotatedDataset, AnnotatedImage, open_annotated
from samrs_mm.api.network import Network, load_network
from samrs_mm.api.onnx_network import OnnxNetwork, load_onnx
from samrs_mm.api.segmentor import Segmentor, load_segmentor

__all__ = [
    'AnnotatedDataset',
    'AnnotatedImage',
    'Network',
    'OnnxNetwork',
    'Segmentor',
    'load_network',
    'load_onnx',
    'load_segmentor',
    'open_annotated',
]
