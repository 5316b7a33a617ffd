"""Counts: parameters, MACs, activation memory."""
