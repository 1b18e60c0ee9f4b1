"""The interface between the annotation driver and whatever makes masks from prompts."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from samrs_mm.core.prompts import PromptBatch, PromptSetting


@dataclass(frozen=True)
class MaskChunk:
    """The masks of a run of prompts, in prompt order.

    Args:
        masks: ``(n, H, W)`` bool at image size. A transposed (Fortran ordered) view encodes
            fastest.
        scores: Predicted IoU ``(n,)`` float, or None where the segmentor has none.
        stability: Stability score ``(n,)`` in [0, 1], or None.
        notes: What the record should say of this chunk, such as a halving on out-of-memory.
    """

    masks: np.ndarray
    scores: np.ndarray | None = None
    stability: np.ndarray | None = None
    notes: tuple[str, ...] = ()


class PromptSegmentor(ABC):
    """Makes one mask per prompt.

    ``load`` is called once before any image. ``encode`` takes ``images_per_pass`` images at a
    time; ``decode`` may be called any number of times for an image encoded before.

    Attributes:
        images_per_pass: How many images ``encode`` takes at once.
        checkpoint_sha256: Hash of the weights after ``load``, or None without weights.
        provided_scores: Which of ``score`` and ``stability`` all its masks come with.
    """

    images_per_pass: int = 1
    checkpoint_sha256: str | None = None
    provided_scores: tuple[str, ...] = ()

    @property
    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Everything about the segmentor that may change a mask, as plain data."""

    @abstractmethod
    def unsupported(self, setting: PromptSetting) -> str | None:
        """Return why a prompt setting can't be taken, or None if it can."""

    def load(self) -> None:  # noqa: B027 (segmentors without weights have nothing to load)
        """Load weights.

        Raises:
            RefusedError: The weights are missing, corrupt, or of another architecture.
        """

    @abstractmethod
    def encode(self, images: Sequence[np.ndarray]) -> list[Any]:
        """Return what ``decode`` needs of each image.

        Args:
            images: One to ``images_per_pass`` images ``(H, W, 3)`` uint8 RGB; sizes may differ.
        """

    @abstractmethod
    def decode(self, encoded: Any, prompts: PromptBatch) -> Iterator[MaskChunk]:
        """Yield the masks of all prompts of one image, chunk by chunk, in order.

        Args:
            encoded: What ``encode`` returned for the image.
            prompts: At least one prompt, of a setting that is supported.
        """
