"""Latency of a call, by runtime, device, batch size, threads and precision."""
