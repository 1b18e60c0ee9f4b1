"""Plain numpy: boxes, run-length masks, tiles, prompts, classes, pixels of image files.

Nothing here imports torch or an OpenMMLab package.
"""
