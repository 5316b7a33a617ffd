"""Comparison of two reports: improvements, regressions, and what could not be verified."""

from __future__ import annotations

from cnnbench.report.compare.comparison import compare
from cnnbench.report.compare.result import Compared, Comparison, Unverified

__all__ = ["Compared", "Comparison", "Unverified", "compare"]
