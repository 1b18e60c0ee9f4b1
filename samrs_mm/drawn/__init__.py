"""Drawn scenes whose masks are known: the demo's data."""
