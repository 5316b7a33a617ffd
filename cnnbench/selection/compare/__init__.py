"""Comparison of two reports: improvements, regressions, and what could not be verified."""

from __future__ import annotations

from cnnbench.selection.compare.comparison import compare
from cnnbench.selection.compare.result import Compared, Comparison, Unverified

__all__ = ["Compared", "Comparison", "Unverified", "compare"]
