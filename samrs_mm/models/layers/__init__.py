"""Building blocks of the backbones; import them from their modules."""
