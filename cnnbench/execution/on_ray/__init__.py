"""Executor for a Ray cluster: each job in a fork server of its own, on the node that is chosen."""
