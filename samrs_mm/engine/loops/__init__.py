"""Loops of mmengine's Runner."""

from samrs_mm.engine.loops.resumable_iter_loop import ResumableIterLoop

__all__ = ['ResumableIterLoop']
