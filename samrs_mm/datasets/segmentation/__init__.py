"""Datasets to train on: images with label maps."""
