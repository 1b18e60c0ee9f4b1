"""A segmentation network as a function from windows of a scene to the scores of their pixels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from samrs_mm.core.classes import UNLABELLED
from samrs_mm.core.errors import RefusedError, SamrsError
from samrs_mm.core.wording import counted
from samrs_mm.models.layers.bands import network_bands
from samrs_mm.predict.scene_blends import STEPS


class WindowModel:
    """A segmentor as a function from windows to the scores of their pixels.

    The model is put into eval mode; ``source`` is its head where it has several. ``flip`` averages
    the probabilities of a window and of its mirror image. Images have so many ``given`` bands, by
    the config; None where the file decides. ``bands`` are those that the network takes.

    Raises:
        RefusedError: A source that the model doesn't have, none where it has several, a head with a
            single channel, or a network that takes other bands than it is given.
    """

    def __init__(
        self,
        model: nn.Module,
        source: str | None = None,
        flip: bool = False,
        given: int | None = 3,
    ):
        self.model: Any = model.eval()
        self.flip = flip
        self.bands = _bands(self.model, given)
        self.source, self.num_classes = _head(self.model, source)
        if self.num_classes > UNLABELLED:
            raise RefusedError(f'{self.num_classes} classes: label files hold at most {UNLABELLED}')
        self.preprocessor: Any = self.model.data_preprocessor
        self._padding = dict(getattr(self.preprocessor, 'test_cfg', None) or {})
        self.divisor = self._padding.get('size_divisor') or 1  # of the sides of the network's input
        # Mask2Former sums masks by their classes: parts of what was found, not logits
        self.sums_masks = hasattr(self.model.decode_head, 'cls_embed')

    def padded(self, height: int, width: int) -> tuple[int, int]:
        """Return the size to which the data preprocessor pads an image of this size."""
        if self._padding.get('size'):
            least = self._padding['size']
            return max(height, least[-2]), max(width, least[-1])
        height, width = (-(-side // self.divisor) * self.divisor for side in (height, width))
        return height, width

    @torch.inference_mode()
    def scores(self, windows: Sequence[np.ndarray], size: tuple[int, int]) -> Tensor:
        """Return the scores of windows ``(N, K, h, w)`` float32, on the model's device.

        Windows are ``(rows, columns, bands)`` inside the scene, RGB of three; ``size`` pads them to
        h, w.
        """
        scores = self._forward(windows, size)
        if not self.flip:
            return scores
        mirrored = self._forward([window[:, ::-1] for window in windows], size)
        for window, score in zip(windows, mirrored, strict=True):
            width = window.shape[1]  # padding stays at the right, as in an image that is mirrored
            score[..., :width] = score[..., :width].flip(2)
        return (self.normalised(scores) + self.normalised(mirrored)) / 2

    def labels(self, scores: Tensor | np.ndarray) -> np.ndarray:
        """Return the classes of the highest of (averages of) scores ``(K, ...)``, uint8."""
        return torch.as_tensor(scores).argmax(0).to(torch.uint8).cpu().numpy()

    def steps(self, scores: Tensor | np.ndarray) -> np.ndarray:
        """Return probabilities of (averages of) scores ``(K, ...)`` in whole 1/``STEPS``, uint8."""
        scores = torch.as_tensor(scores)[None]
        shares = (scores if self.flip else self.normalised(scores))[0]
        return shares.mul(STEPS).round().to(torch.uint8).cpu().numpy()

    def array(self, scores: Tensor) -> np.ndarray:
        """Return scores as numpy's float32."""
        return scores.cpu().numpy()

    def _prepare(self, window: np.ndarray, size: tuple[int, int]) -> Tensor:
        """Normalise and pad, as the network would see this window of a whole padded scene."""
        turned = window[..., ::-1] if self.bands == 3 else window  # as images are loaded: BGR
        pixels = torch.from_numpy(np.ascontiguousarray(turned.transpose(2, 0, 1)))
        data = dict(inputs=[pixels], data_samples=[SegDataSample()])
        image = self.preprocessor(data, False)['inputs'][..., : size[0], : size[1]]
        right, bottom = size[1] - image.shape[-1], size[0] - image.shape[-2]
        return F.pad(image, (0, right, 0, bottom), value=getattr(self.preprocessor, 'pad_val', 0))

    def _forward(self, windows: Sequence[np.ndarray], size: tuple[int, int]) -> Tensor:
        inputs = torch.cat([self._prepare(window, size) for window in windows])
        meta = dict(ori_shape=size, img_shape=size, pad_shape=size, padding_size=[0] * 4)
        metas = [dict(meta, source=self.source) for _ in inputs]
        try:
            return self.model.encode_decode(inputs, metas)[:, : self.num_classes].float()
        except torch.cuda.OutOfMemoryError as error:
            raise SamrsError(
                f'out of GPU memory with {len(inputs)} windows of {size[0]} x {size[1]} px; give '
                'a smaller batch; the same command with a smaller --batch goes on from here'
            ) from error

    def normalised(self, scores: Tensor) -> Tensor:
        """Turn what the network returns ``(N, K, ...)`` into probabilities."""
        if self.sums_masks:
            return scores / scores.sum(1, keepdim=True).clamp(min=1e-12)
        return scores.softmax(1)


def _bands(model: Any, given: int | None) -> int:
    """Return how many bands a network takes; refuse one that is given others."""
    bands = network_bands(model) or 3
    if given not in (None, bands):
        raise RefusedError(
            f'the network takes images of {counted(bands, "band")}, and the test pipeline of the '
            f'config gives it {given}: say there which, by LoadWindow '
            f"image=dict(bands={[*range(1, bands + 1)]}, form='bands'), or 'values' for bands as "
            'stored'
        )
    return bands


def _head(model: Any, source: str | None) -> tuple[str | None, int]:
    """Return the source whose head is used, if the model has several, and its classes."""
    classes = getattr(model, 'source_classes', None)
    if classes is None:
        if source is not None:
            raise RefusedError(f'source {source}: this model has one head only; leave it out')
        if model.out_channels == 1:
            raise RefusedError(
                'model.decode_head.out_channels=1: a single channel is not supported; train with '
                'num_classes=2 and without out_channels'
            )
        return None, model.out_channels
    if source is None and len(classes) == 1:
        (source,) = classes
    if source not in classes:
        given = 'the model has several heads' if source is None else f'source {source}: no head'
        raise RefusedError(f'{given}; choose a source from {", ".join(classes)}')
    return source, classes[source]
