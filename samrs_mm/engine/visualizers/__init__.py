"""Visualizers of mmengine's Runner."""

from samrs_mm.engine.visualizers.source_visualizer import SourceVisualizer

__all__ = ['SourceVisualizer']
