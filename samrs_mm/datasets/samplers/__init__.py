"""Samplers whose batches follow from a seed and the iteration."""

from samrs_mm.datasets.samplers.proportional_multi_source_sampler import (
    ProportionalMultiSourceSampler,
    apportion,
)
from samrs_mm.datasets.samplers.resumable_sampler import ResumableSampler

__all__ = ['ProportionalMultiSourceSampler', 'ResumableSampler', 'apportion']
