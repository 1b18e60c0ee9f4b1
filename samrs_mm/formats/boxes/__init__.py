"""Label parsers: text or bytes in, boxes and problems out; no file access, no state."""
