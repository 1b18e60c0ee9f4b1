"""Boxes to masks: what ``tools/sam_annotate.py`` runs."""
