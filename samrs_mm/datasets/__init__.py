"""Datasets: detection datasets to annotate, and segmentation datasets to train on.

Nothing is imported here: annotating works without mmcv's compiled ops, training needs them.
"""
