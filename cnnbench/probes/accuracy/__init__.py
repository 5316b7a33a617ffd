"""Accuracy after a short training, or of a network as it comes."""
