"""Normalisation of images of any number of bands."""

from collections.abc import Sequence
from typing import Any

import torch
from mmseg.models import SegDataPreProcessor
from mmseg.registry import MODELS

from samrs_mm.core.errors import RefusedError
from samrs_mm.core.wording import counted


@MODELS.register_module()
class BandPreProcessor(SegDataPreProcessor):
    """mmsegmentation's ``SegDataPreProcessor`` for other than one or three bands.

    Args:
        mean: Of each band, in the order of the bands.
        std: Of each band.
        **kwargs: As for ``SegDataPreProcessor``.

    Raises:
        RefusedError: Not as many values in both.
    """

    def __init__(
        self,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if len(mean or ()) != len(std or ()):
            raise RefusedError(
                f'model.data_preprocessor: {len(mean or ())} values of mean, {len(std or ())} of '
                'std; give one of each for each band'
            )
        if mean is not None:
            self._enable_normalize = True
            for name, values in (('mean', mean), ('std', std)):
                self.register_buffer(name, torch.tensor(values).view(-1, 1, 1), False)

    def forward(self, data: dict, training: bool = False) -> dict[str, Any]:
        """Normalise and pad, as ``SegDataPreProcessor`` does.

        Raises:
            RefusedError: Images of another number of bands.
        """
        bands = len(data['inputs'][0])
        if self._enable_normalize and bands != len(self.mean):
            raise RefusedError(
                f'an image of {counted(bands, "band")}, where model.data_preprocessor.mean has '
                f'{counted(len(self.mean), "value")}: choose bands by image.bands of LoadWindow'
            )
        return super().forward(data, training)
