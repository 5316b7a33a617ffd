"""Percentiles of calls, and the number of calls they need."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

USUAL = (50, 90, 95, 99)
"""The percentiles of every measurement that has the calls for them."""
TAIL = 99.9
"""The percentile that is measured on request."""

# At least two calls lie above the percentile with 99 % confidence: the smallest n with
# q**n + n * (1 - q) * q**(n - 1) <= 0.01, for independent calls (as MLPerf's early stopping).
CALLS_NEEDED = {50: 11, 90: 64, 95: 130, 99: 662, 99.9: 6636}

_FEW = 200  # calls up to which sorting in Python is faster than NumPy


def word(q: float) -> str:
    """Return a percentile as in names of metrics: ``p50``, ``p999``."""
    return f"p{q:g}".replace(".", "")


def percentile(calls: Sequence[float], q: float) -> float | None:
    """Return the ``q``-th percentile (inclusive), or None where there are too few calls for it."""
    return quantile(calls, q) if len(calls) >= CALLS_NEEDED[q] else None


def quantile(calls: Sequence[float], q: float) -> float:
    """Return the ``q``-th percentile (inclusive) of any number of calls.

    Equal to NumPy's to the last bit, but faster on few calls, of which a long run has many.
    """
    if len(calls) > _FEW:
        return float(np.percentile(np.asarray(calls, float), q))
    ordered = sorted(calls)
    position = (len(ordered) - 1) * (q / 100)
    before = min(int(position), len(ordered) - 1)
    low, high = ordered[before], ordered[min(before + 1, len(ordered) - 1)]
    share = position - before
    return low + (high - low) * share if share < 0.5 else high - (high - low) * (1 - share)


def calls_missing(count: int, q: float) -> int:
    """Return how many more calls the ``q``-th percentile needs."""
    return max(0, CALLS_NEEDED[q] - count)
