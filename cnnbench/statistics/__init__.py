"""Estimates, tests and ranks as pure functions of numbers."""
