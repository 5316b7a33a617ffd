"""Run jobs on this machine: one process a job, forked from a server."""
