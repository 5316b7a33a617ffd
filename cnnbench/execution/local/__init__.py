"""Executor for this machine: one process per job, forked from a server."""
