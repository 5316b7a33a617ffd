"""Training on images: recipes, the training loop with checkpoints, and networks for both."""
