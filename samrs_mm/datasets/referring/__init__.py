"""Datasets to train on: images with phrases and the pixels that are meant."""
