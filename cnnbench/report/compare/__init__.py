"""The comparison of two reports: what became better, what became worse, what cannot be told."""

from __future__ import annotations

from cnnbench.report.compare.comparison import compare
from cnnbench.report.compare.result import Compared, Comparison, Unverified

__all__ = ["Compared", "Comparison", "Unverified", "compare"]
