"""Samplers that know of several sources."""

from samrs_mm.datasets.samplers.proportional_multi_source_sampler import (
    ProportionalMultiSourceSampler,
    apportion,
)

__all__ = ['ProportionalMultiSourceSampler', 'apportion']
