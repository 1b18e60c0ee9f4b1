"""Datasets of images, phrases and the pixels that are meant."""
