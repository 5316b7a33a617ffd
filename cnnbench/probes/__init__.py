"""Probes, a folder or a file each: they measure a model and return metrics and samples."""
