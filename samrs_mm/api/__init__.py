"""What notebooks and scripts call: masks of boxes, annotated folders, trained networks.

::

    segmentor = samrs_mm.load_segmentor('boxnet')
    masks = segmentor.segment('photo.png', [[10, 20, 60, 50]]).masks     # (1, H, W) bool

    for image in samrs_mm.open_annotated('data/mine'):
        image.image, image.masks, image.categories, image.label_map      # read when asked for

    network = samrs_mm.load_network('config.py', 'weights.pth')
    labels = network.predict('scene.tif')                                # (H, W) uint8

It is the code of the tools: the results are theirs. Images are RGB. What can't be done raises a
``samrs_mm.core.errors.SamrsError`` whose message is one line. Torch and the mm libraries
are imported by what needs them.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from samrs_mm.api.annotated import AnnotatedDataset, AnnotatedImage, open_annotated
    from samrs_mm.api.network import Network, load_network
    from samrs_mm.api.onnx_network import OnnxNetwork, load_onnx
    from samrs_mm.api.segmentor import Segmentor, load_segmentor

_HOMES = dict(
    AnnotatedDataset='annotated', AnnotatedImage='annotated', open_annotated='annotated',
    Network='network', load_network='network', OnnxNetwork='onnx_network',
    load_onnx='onnx_network', Segmentor='segmentor', load_segmentor='segmentor',
)  # fmt: skip

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


def __getattr__(name: str) -> Any:
    """Import what is asked for, and no more: an ONNX file needs no mm library."""
    if name not in _HOMES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(importlib.import_module(f'{__name__}.{_HOMES[name]}'), name)
