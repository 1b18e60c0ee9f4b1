"""Detection datasets that ``tools/sam_annotate.py`` turns into segmentation datasets."""
