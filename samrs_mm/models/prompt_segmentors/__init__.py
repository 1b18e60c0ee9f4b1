"""Prompt segmentors: an image and prompts in, masks out.

Nothing is imported here: ``samrs_mm.registry`` imports the one that a config names, so that only
SAM brings torch along.
"""
