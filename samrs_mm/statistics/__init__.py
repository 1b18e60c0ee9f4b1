"""What datasets hold: counts, sizes and fractions of classes."""
