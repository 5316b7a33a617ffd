"""Training of a network on images: what to train, how, and how good it became."""
