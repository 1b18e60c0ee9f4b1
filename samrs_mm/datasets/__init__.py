"""Datasets: detection datasets to annotate, and segmentation datasets to train on."""
