"""Pictures: overlays, figures, drawn demo scenes."""
