"""Timing of a callable: the loop, the reference workload, and the machine's activity."""
