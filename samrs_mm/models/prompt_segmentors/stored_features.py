"""How members of the SAM family give what they encoded to a store, and take it back."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

import torch

from samrs_mm.models.prompt_segmentors.encoded_image import EncodedImage
from samrs_mm.models.prompt_segmentors.frame import Frame
from samrs_mm.models.prompt_segmentors.storable import StorableEncoder, versions_of


class StoredFeatures(StorableEncoder):
    """What ``SAMFamilySegmentor`` has of a ``StorableEncoder``.

    Attributes:
        feature_names: Names of the tensors in ``EncodedImage.features``.
        packages: Distributions that the image encoder and the preprocessing are of; their versions
            belong to stored embeddings.
        preprocessing: Version of ours; a change of a pixel that the encoder sees makes it another.
    """

    feature_names: tuple[str, ...] = ('image',)
    packages: tuple[str, ...] = ()
    preprocessing = 1

    arch: str | dict[str, Any]
    checkpoint_sha256: str | None
    side: int
    device: torch.device
    threads: int
    images_per_pass: int
    precision: str
    kernels: str
    compile: bool

    @abstractmethod
    def frame(self, original_size: tuple[int, int]) -> Frame:
        """Return how an image of that height and width lies in the square."""

    @abstractmethod
    def settled(self, encoded: EncodedImage) -> EncodedImage:
        """Return an image's features of which it is known that they are numbers."""

    @property
    def encoder_settings(self) -> dict[str, Any]:
        """See ``StorableEncoder``."""
        return dict(
            type=type(self).__name__,
            arch=self.arch,
            checkpoint_sha256=self.checkpoint_sha256,
            side=self.side,
            precision=self.precision,
            preprocessing=self.preprocessing,
            versions=versions_of(self.packages),
        )

    @property
    def encoder_rounding(self) -> dict[str, Any]:
        """See ``StorableEncoder``."""
        return dict(
            device=self.device.type,
            threads=self.threads,
            images_per_pass=self.images_per_pass,
            kernels=self.kernels,
            compile=self.compile,
            torch=torch.__version__,
        )

    def input_size(self, original_size: tuple[int, int]) -> tuple[int, int]:
        """See ``StorableEncoder``."""
        return self.frame(original_size).input_size

    def to_tensors(self, encoded: EncodedImage) -> dict[str, torch.Tensor]:
        """See ``StorableEncoder``: the features by ``feature_names``."""
        return dict(zip(self.feature_names, self.settled(encoded).features, strict=True))

    def notes_of(self, encoded: EncodedImage) -> tuple[str, ...]:
        """See ``StorableEncoder``."""
        return self.settled(encoded).notes

    def from_tensors(
        self,
        tensors: Mapping[str, torch.Tensor],
        original_size: tuple[int, int],
        notes: Iterable[str] = (),
    ) -> EncodedImage:
        """See ``StorableEncoder``."""
        features = []
        for name in self.feature_names:
            tensor = tensors[name]
            if tensor.ndim != 4 or tensor.shape[0] != 1:
                raise ValueError(f'{name} is {list(tensor.shape)} instead of [1, C, h, w]')
            features.append(tensor.to(self.device, torch.float32))
        return EncodedImage(tuple(features), self.frame(original_size), tuple(notes))
