"""Functions on weights: what a checkpoint holds, and what a model wants."""
