"""Peak memory of inference and training, and the largest batch."""
