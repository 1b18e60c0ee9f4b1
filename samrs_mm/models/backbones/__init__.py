"""Backbones of the paper that mmsegmentation has not."""
