"""Crops of objects with known masks, of which the mask maker learns."""
