"""Arrivals of a Poisson process, and the highest rate at which a bound holds, by bisection.

Pure functions: the same seed gives the same arrivals, and the same answers the same rate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

_MOST_DOUBLINGS, _MOST_REVISIONS = 3, 8
_LOWEST = 1 / 16  # of the first rate: no lower one is tried, as the trials would take too long


def arrivals(count: int, seed: Sequence[int]) -> np.ndarray:
    """Return the moments, ``(count,)``, of arrivals at an average rate of one a second.

    They are a Poisson process given that there are ``count`` arrivals in ``count`` seconds, so that
    the average rate is exact. Divided by a rate they are its arrivals: at any two rates the same
    queries come closer together, so that a higher rate is never easier by chance.
    """
    moments = np.cumsum(np.random.default_rng(seed).exponential(size=count + 1))
    scaled: np.ndarray = moments[:-1] * (count / moments[-1])
    return scaled


@dataclass(frozen=True)
class Bracket:
    """Two rates between which a bound ceases to hold.

    Attributes:
        low: highest rate at which it held; 0 if it held at none.
        high: lowest rate at which it did not.
    """

    low: float
    high: float


def highest_rate(holds: Callable[[float], bool], first: float, tolerance: float = 0.01) -> Bracket:
    """Return the highest rate at which a bound holds, within ``tolerance`` of itself.

    A rate that failed decides only if it fails again at the end: what disturbed it may be over by
    then. If it holds, the search goes on above it.

    Args:
        holds: whether the bound holds at a rate.
        first: rate at which it is not expected to hold any more; if it does, twice that, and so on.
        tolerance: of the bracket's width, relative to its upper end.
    """
    low, high = 0.0, first
    for _ in range(1 + _MOST_DOUBLINGS):
        if not holds(high):
            break
        low, high = high, 2 * high
    failed = [high]
    for _ in range(_MOST_REVISIONS):
        low = _bisected(holds, low, failed, tolerance, lowest=_LOWEST * first)
        if not holds(failed[-1]):
            break
        low = failed.pop()
        failed = failed or [2 * low]
    return Bracket(low, failed[-1])


def _bisected(
    holds: Callable[[float], bool],
    low: float,
    failed: list[float],
    tolerance: float,
    lowest: float,
) -> float:
    """Return the highest rate at which the bound holds; append those that fail to ``failed``."""
    while failed[-1] - low > tolerance * failed[-1] and failed[-1] > lowest:
        middle = (low + failed[-1]) / 2
        if holds(middle):
            low = middle
        else:
            failed.append(middle)
    return low
