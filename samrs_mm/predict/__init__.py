"""A trained network on whole scenes, window by window."""
