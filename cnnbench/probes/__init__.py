"""Probes, one per folder: each measures a model and returns metrics, samples and details."""
