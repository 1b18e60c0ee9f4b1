"""Models: prompt segmentors, and the networks that are pre-trained and fine-tuned."""
