"""Boxes to masks, on plain numpy: labels, prompts, tiles, run-length masks, records.

Nothing here imports torch or an OpenMMLab package, so a label parser or a record reader can be
used by itself.
"""
