"""Boxes on new images, of trained networks, for people to look at and segmentors to be prompted."""
