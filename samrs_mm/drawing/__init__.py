"""Pictures: boxes, masks and label maps drawn over images."""
