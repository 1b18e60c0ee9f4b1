"""Optimizer constructors, for what ``paramwise_cfg`` alone can't say."""

from samrs_mm.engine.optimizers.layer_decay_constructor import LayerDecayOptimWrapperConstructor

__all__ = ['LayerDecayOptimWrapperConstructor']
