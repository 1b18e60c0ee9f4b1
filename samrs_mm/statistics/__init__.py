"""What datasets hold: counts, sizes and shares of classes."""
