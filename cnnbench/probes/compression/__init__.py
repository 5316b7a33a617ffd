"""Compressed variants: quantised, pruned, clustered, converted."""
