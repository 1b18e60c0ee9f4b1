"""Shapes and scenes with known masks: the data of the demo."""
