"""Batches of one dataset, from any iteration on."""

from collections.abc import Sized

from mmseg.registry import DATA_SAMPLERS

from samrs_mm.datasets.samplers.proportional_multi_source_sampler import (
    ProportionalMultiSourceSampler,
)


@DATA_SAMPLERS.register_module()
class ResumableSampler(ProportionalMultiSourceSampler):
    """``ProportionalMultiSourceSampler`` of one dataset, whatever it is made of."""

    @staticmethod
    def sizes_of(dataset: Sized) -> dict[str, int]:
        """Return the number of images, as of one source."""
        return {'dataset': len(dataset)}
