"""Masks from BoxNet: a network of a million parameters that comes with the package."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from samrs_mm.core.images import file_sha256
from samrs_mm.core.masks import decode
from samrs_mm.core.prompts import PromptBatch, PromptSetting
from samrs_mm.models.boxnet.asked import Asked, Picture
from samrs_mm.models.boxnet.clicks import Clicked, chances_of, click
from samrs_mm.models.boxnet.maker import MaskMaker, ObjectMask
from samrs_mm.models.boxnet.points import mask_of_clicks
from samrs_mm.models.boxnet.weights import checked_side, default_weights, load_weights
from samrs_mm.models.prompt_segmentors.base import (
    MaskChunk,
    PromptSegmentor,
    check_switches,
    check_whole_numbers,
)
from samrs_mm.models.prompt_segmentors.torch_device import fix_rounding, one_thread, torch_device
from samrs_mm.registry import PROMPT_SEGMENTORS


@PROMPT_SEGMENTORS.register_module()
class BoxNetSegmentor(PromptSegmentor):
    """Makes the mask of a box, upright or turned, of its centre point, or of both.

    A box is seen in a crop that is turned with it, its longer side along x. Pixels without data are
    no part of what is seen. Every mask depends on its image and prompt alone: crops are run in
    passes of one size, whatever the number of boxes.

    Mask prompts are given as the mask so far. A centre point alone (``cp``) is looked at in crops
    of several sizes.

    Args:
        checkpoint: File of the weights (safetensors); None takes those of the package.
        side: Of the crops in pixels, a multiple of 16; None takes what the weights were trained
            for. 64 takes half the time of 96 where ``finer`` is off.
        finer: Look a second time, along the border, at objects whose crop was shrunk by more than
            1.5.
        fill_holes: Fill the holes of masks.
        threads: Passes of four boxes at the same time; None takes the cores that the process may
            use. Changes no bit: torch computes each pass on one thread, which is set for the
            process while masks are made. (Its own threads wait for each other 70 times a pass:
            with two on a busy machine a box took 83 ms of CPU time instead of 10.)
        device: ``'cpu'``, ``'cuda'``, ``'cuda:1'``, ...; None takes a GPU where there is one.

    Raises:
        RefusedError: A value that can't be.
    """

    provided_scores = ('score', 'stability')
    takes_masks = True

    def __init__(
        self,
        checkpoint: str | None = None,
        side: int | None = None,
        finer: bool = True,
        fill_holes: bool = True,
        threads: int | None = None,
        device: str | None = None,
    ):
        check_whole_numbers(side=(64 if side is None else side, 16))
        self.choose_threads(threads)
        check_switches(finer=finer, fill_holes=fill_holes)
        self.checkpoint, self.side = checkpoint, side
        self.finer, self.fill_holes = finer, fill_holes
        self.device = torch_device(device)
        self.maker: MaskMaker | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """Everything but the weights' hash that may change a bit of a mask; threads don't."""
        return dict(
            type=type(self).__name__,
            side=self.side,
            finer=self.finer,
            fill_holes=self.fill_holes,
            device=self.device.type,
        )

    def unsupported(self, setting: PromptSetting) -> str | None:
        """It takes every setting."""
        return None

    def load(self) -> None:
        """Load the weights and move them to the device.

        Also fixes, for the process, what decides float rounding beside threads: no TF32,
        deterministic cuDNN.

        Raises:
            RefusedError: The weights are missing, damaged, or of something else; or the crops'
                side does not fit them.
        """
        fix_rounding()
        path = default_weights() if self.checkpoint is None else Path(self.checkpoint)
        network, info = load_weights(path)
        side = checked_side(self.side, 'model.side', network, info)
        self.checkpoint_sha256 = file_sha256(path)
        self.maker = MaskMaker(
            network, info, side, self.device, self.finer, self.fill_holes, self.threads
        )

    def encode(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the images ``(H, W, 3)`` uint8 RGB as they are."""
        return list(images)

    def decode(self, encoded: np.ndarray, prompts: PromptBatch) -> Iterator[MaskChunk]:
        """Yield one mask at a time, with predicted IoU and stability, as a window of the image."""
        assert self.maker is not None, 'load() comes first'
        width, height = prompts.size or (encoded.shape[1], encoded.shape[0])
        picture = Picture(encoded[:height, :width], prompts.valid)
        with one_thread:
            for found in self._masks(self.maker, picture, prompts):
                yield MaskChunk(
                    found.mask[None],
                    np.array([found.score]),
                    np.array([found.stability]),
                    window=(*found.corner, *encoded.shape[:2]),
                )

    def _masks(
        self, maker: MaskMaker, picture: Picture, prompts: PromptBatch
    ) -> Iterator[ObjectMask]:
        if prompts.setting.name == 'cp':
            clicks = (np.array([[*point, 1.0]]) for point in prompts.points)
            yield from maker.spread(partial(mask_of_clicks, maker, picture), clicks)
            return
        singles = (prompts[i : i + 1] for i in range(len(prompts)))
        yield from maker.make(picture, (_asked(each, maker.side) for each in singles))

    def click(
        self,
        image: np.ndarray,
        clicks: np.ndarray,
        box: np.ndarray | None = None,
        previous: Clicked | np.ndarray | None = None,
        valid: np.ndarray | None = None,
    ) -> Clicked:
        """Return the mask of an object by clicks; see ``models.boxnet.clicks.click``."""
        assert self.maker is not None, 'load() comes first'
        with one_thread:
            return click(self.maker, Picture(image, valid), clicks, box, previous)


def _asked(prompt: PromptBatch, side: int) -> Asked:
    """Return what a batch of one prompt asks, of a crop of ``side`` pixels."""
    setting = prompt.setting
    more = {}
    if prompt.points is not None:
        more['clicks'] = np.array([[*prompt.points[0], 1.0]])
    if prompt.regions is not None:
        more['region'] = prompt.regions[0]
    oriented = 'rbox' in (setting.box, setting.mask)
    asked = Asked.of_box(prompt.outlines[0], oriented, **more)
    if prompt.masks is None:
        return asked
    previous = chances_of(decode(prompt.masks[0]), asked.frame, side)
    return replace(asked, half=asked.half if setting.box else None, previous=previous)
