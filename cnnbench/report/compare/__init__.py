"""The comparison of two reports: what became better, what became worse, what cannot be told."""

from __future__ import annotations

from cnnbench.report.compare.comparison import Compared, Comparison, compare

__all__ = ["Compared", "Comparison", "compare"]
