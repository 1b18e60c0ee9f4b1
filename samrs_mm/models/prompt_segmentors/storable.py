"""Segmentors whose encodings of images can be stored, and decoded by later runs."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


class StorableEncoder(ABC):
    """What a segmentor with an image encoder offers beside ``PromptSegmentor``."""

    @property
    @abstractmethod
    def encoder_settings(self) -> dict[str, Any]:
        """What decides an encoding but for its last digits, as plain data; after loading.

        Network and hash of its weights, precision, the side of its input, a version of the
        preprocessing, the packages that the encoder is of. Nothing of prompts, chunks and the
        decoder.
        """

    @property
    @abstractmethod
    def encoder_rounding(self) -> dict[str, Any]:
        """What decides the last digits: device, threads, kernels, images in a pass, torch."""

    @abstractmethod
    def input_size(self, original_size: tuple[int, int]) -> tuple[int, int]:
        """Return height and width that an image of that size has within the encoder's input."""

    @abstractmethod
    def to_tensors(self, encoded: Any) -> 'dict[str, torch.Tensor]':
        """Return what ``encode`` returned for an image as tensors ``(1, C, h, w)`` by name."""

    def notes_of(self, encoded: Any) -> tuple[str, ...]:
        """Return what the record should say of how an image was encoded."""
        return ()

    @abstractmethod
    def from_tensors(
        self,
        tensors: 'Mapping[str, torch.Tensor]',
        original_size: tuple[int, int],
        notes: Iterable[str] = (),
    ) -> Any:
        """Return what ``encode`` returned from its tensors, of any float type, on any device.

        Raises:
            KeyError: One is missing.
            ValueError: One has another shape than ``encode`` gives.
        """

    def load_decoder(self) -> None:
        """Load what ``decode`` needs; ``encode`` loads the rest when it is first called.

        Segmentors that can't load a part load all.

        Raises:
            RefusedError: As ``load``.
        """
        self.load()  # type: ignore[attr-defined]  # of PromptSegmentor


def versions_of(packages: Iterable[str]) -> dict[str, str | None]:
    """Return the versions of distributions; None of one that is there without being installed."""
    found: dict[str, str | None] = {}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found
