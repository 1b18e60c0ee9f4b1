"""Annotated folders in the formats of other tools."""
