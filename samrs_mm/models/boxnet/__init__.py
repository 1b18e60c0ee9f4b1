"""A small network that makes the mask of a box, of clicks, or of a mask before, of any class."""
