"""Choosing a model, comparing two runs, checking a budget."""
