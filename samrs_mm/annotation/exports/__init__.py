"""Annotated folders in the formats of other tools; nothing here needs torch or an mm library."""
