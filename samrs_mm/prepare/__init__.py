"""Large scenes cut into tiles, with their boxes or label maps."""
