"""Importing this module registers all of samrs_mm: for ``custom_imports`` of a config."""

from samrs_mm.registry import register_all

register_all()
