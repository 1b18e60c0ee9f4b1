"""Samplers whose batches follow from a seed and the iteration."""

from samrs_mm.datasets.samplers.proportional_multi_source_sampler import (
    ProportionalMultiSourceSampler,
    apportion,
)
from samrs_mm.datasets.samplers.resumable_sampler import ResumableSampler
from samrs_mm.datasets.samplers.stream_sampler import StreamSampler

__all__ = ['ProportionalMultiSourceSampler', 'ResumableSampler', 'StreamSampler', 'apportion']
