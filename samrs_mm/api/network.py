"""A trained segmentation network on images in memory or in files."""

import json
import os
from functools import cached_property
from typing import TYPE_CHECKING, Any

from samrs_mm.api.scene_network import SceneNetwork
from samrs_mm.compat import strict_loading
from samrs_mm.core.errors import RefusedError
from samrs_mm.core.image_rule import ImageRule
from samrs_mm.core.images import file_sha256
from samrs_mm.core.parallel import fit_torch_threads

if TYPE_CHECKING:
    from mmengine.config import Config
    from torch import nn

    from samrs_mm.predict.scene_predictor import ScenePredictor

WINDOW = 512
"""Side of the window in pixels where neither the caller nor the config says."""


def load_network(
    config: str | os.PathLike,
    checkpoint: str | os.PathLike,
    *,
    source: str | None = None,
    device: str | None = None,
    window: int | None = None,
    stride: int | None = None,
    blend: str = 'centre',
    batch: int = 4,
    flip: bool = False,
    options: dict[str, Any] | None = None,
) -> 'Network':
    """Build a network and load its weights.

    ::

        network = samrs_mm.load_network('work_dirs/mine/mine.py', 'work_dirs/mine/iter_2000.pth')
        labels = network.predict('city.tif')  # (H, W) uint8

    Args:
        config: Config file that it was trained with.
        checkpoint: Its weights, loaded as data: no code in the file is run.
        source: The head of a network that has several, as pre-trained ones do.
        device: Such as ``'cuda:1'`` or ``'cpu'``; None takes a GPU if there is one.
        window: Side of the window that slides over an image, in pixels; None takes the config's,
            else 512.
        stride: Distance between windows in pixels; None takes the config's, else 2/3 window.
        blend: ``'centre'`` takes each pixel from the window in whose middle it lies,
            ``'average'`` the mean over all windows over it, as ``tools/test.py`` does.
        batch: Windows that go through the network together.
        flip: Average with the prediction of the mirror image.
        options: Config keys to change, as ``--cfg-options``.

    Raises:
        RefusedError: A config, weights, source, device or windows that can't be.
    """
    from samrs_mm.engine.run_config import load_run_config, need
    from samrs_mm.predict.prediction import class_names
    from samrs_mm.predict.scene_predictor import ScenePredictor, check_blend
    from samrs_mm.predict.shown import image_rule
    from samrs_mm.predict.window_model import WindowModel

    path, weights = os.fspath(config), os.fspath(checkpoint)
    run_config = load_run_config(path, options, None, 'none', ('model',), 'mmseg')
    need(run_config, path, 'model')
    check_blend(blend, batch)
    model, loaded, matched = _load_model(run_config, path, weights, device)
    rule = image_rule(run_config)
    head = WindowModel(model, source, flip, given=3 if rule is None else rule.count)
    sizes = windows_of(run_config, window, stride, blend, head.divisor)
    predictor = ScenePredictor(head, *sizes, blend, batch)
    names = class_names(loaded, head.source, head.num_classes)
    return Network(predictor, tuple(names), run_config, weights, matched)


@strict_loading()
def _load_model(
    config: 'Config', path: str, weights: str, device: str | None
) -> 'tuple[nn.Module, dict[str, Any], str]':
    """Return the model with its weights, on its device, the checkpoint, and what matched."""
    from mmengine.device import get_device
    from mmengine.registry import init_default_scope
    from mmengine.runner import load_checkpoint
    from mmseg.registry import MODELS

    from samrs_mm.engine.checkpoint_match import check_match, weight_shapes
    from samrs_mm.engine.run_config import building

    fit_torch_threads()
    shapes = weight_shapes(weights)
    init_default_scope(config.get('default_scope', 'mmseg'))
    with building(path):
        model = MODELS.build(config.model)
    if not hasattr(model, 'encode_decode'):
        raise RefusedError(
            f'config {path}: model.type={config.model.type!r} labels no pixels; give the config of '
            'a segmentation network'
        )
    matched = check_match(model, shapes, weights, whole=True)
    checkpoint = load_checkpoint(model, weights, 'cpu', logger='silent')
    try:
        return model.to(device or get_device()), checkpoint, matched
    except (RuntimeError, AssertionError) as error:
        raise RefusedError(f'device {device}: {str(error).splitlines()[0]}') from error


def windows_of(
    config: 'Config', window: int | None, stride: int | None, blend: str, divisor: int
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return size and stride of the windows, each vertical and horizontal; see ``load_network``."""
    from samrs_mm.predict.scene_predictor import fit_windows

    test = config.model.get('test_cfg') or {}
    slides = test.get('mode') == 'slide'
    size = tuple(test['crop_size']) if slides else (WINDOW, WINDOW)
    step = tuple(test['stride']) if slides else None
    return fit_windows(size, step, window, stride, blend, divisor)


class Network(SceneNetwork):
    """A trained network; ``load_network`` builds one.

    Attributes:
        config: The config it was built from.
    """

    def __init__(
        self,
        predictor: 'ScenePredictor',
        classes: tuple[str, ...],
        config: 'Config',
        checkpoint: str,
        matched: str,
    ):
        super().__init__(predictor, classes, checkpoint, matched)
        self.config = config

    @cached_property
    def rule(self) -> ImageRule | None:
        """How files are shown to it, as the test pipeline says it; see ``LoadWindow``."""
        from samrs_mm.predict.shown import image_rule

        return image_rule(self.config)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What decides its predictions, as plain data."""
        return dict(
            model=json.loads(json.dumps(self.config.model.to_dict(), default=str)),
            checkpoint=file_sha256(self._file),
            source=self.predictor.model.source,
            **self._how,
        )
