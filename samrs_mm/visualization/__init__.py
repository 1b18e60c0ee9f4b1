"""Pictures: overlays, drawn demo scenes."""
