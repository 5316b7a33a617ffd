"""Search for the answer to a suite's question: what to measure next, and what to leave out."""

from __future__ import annotations

from cnnbench.execution.search.search import Search, SearchState

__all__ = ["Search", "SearchState"]
