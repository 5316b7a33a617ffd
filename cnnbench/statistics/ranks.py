"""Rank correlation of two ways of measuring the same networks."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cnnbench.statistics.robust import Z

FEWEST_RANKS = 5
"""With four ranks no order can be significant at 5 %: 2 of 24 orders are perfect, p = 0.083."""


@dataclass(frozen=True)
class Correlation:
    """Spearman's rho of ``count`` pairs, with its 95 % interval."""

    rho: float
    low: float
    high: float
    count: int

    @property
    def words(self) -> tuple[str, str, str]:
        """Count, rho and interval as a table shows them."""
        return str(self.count), f"{self.rho:.2f}", f"{self.low:.2f} to {self.high:.2f}"


def spearman(first: Sequence[float], second: Sequence[float]) -> Correlation:
    """Return the rank correlation of pairs, ties at their mean rank.

    The interval is Fisher's z with the standard error ``sqrt((1 + rho² / 2) / (n - 3))`` (Bonett
    and Wright 2000, Sample size requirements for estimating Pearson, Kendall and Spearman
    correlations, Psychometrika 65). For identical or reversed orders that formula gives an
    interval of width 0; the interval then is that of an order with two neighbours swapped.

    Raises:
        ValueError: fewer than `FEWEST_RANKS` pairs.
    """
    count = len(first)
    if count < FEWEST_RANKS:
        raise ValueError(f"{count} pairs, {FEWEST_RANKS} are needed")
    if len(set(first)) == 1 or len(set(second)) == 1:  # no order at all
        return Correlation(0.0, -1.0, 1.0, count)
    rho = _correlation(_twice_mean_ranks(first), _twice_mean_ranks(second))
    one_swap = 1 - 12 / (count * (count**2 - 1))
    inner = math.copysign(min(abs(rho), one_swap), rho)
    half = Z * math.sqrt((1 + inner**2 / 2) / (count - 3))
    low, high = (math.tanh(math.atanh(inner) + side) for side in (-half, half))
    return Correlation(rho, min(low, rho), max(high, rho), count)


def ranks(values: Sequence[float]) -> list[int]:
    """Return the rank of each value, 1 for the smallest; equal values share the better rank."""
    ordered = sorted(values)
    return [bisect_left(ordered, value) + 1 for value in values]


def _twice_mean_ranks(values: Sequence[float]) -> list[int]:
    """Return twice the rank of each value, equal values at their mean rank: whole numbers."""
    ordered = sorted(values)
    return [bisect_left(ordered, value) + bisect_right(ordered, value) + 1 for value in values]


def _correlation(x: Sequence[int], y: Sequence[int]) -> float:
    """Pearson's r, from exact sums."""
    return _covariance(x, y) / math.sqrt(_covariance(x, x) * _covariance(y, y))


def _covariance(x: Sequence[int], y: Sequence[int]) -> int:
    """Return the covariance times the square of the count."""
    return len(x) * sum(a * b for a, b in zip(x, y, strict=True)) - sum(x) * sum(y)


def kendall(first: npt.ArrayLike, second: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return Kendall's tau-b of values in the last axis, ``(...,)``: agreement of two orders.

    Of all pairs it is the share that both order alike less that which they order differently;
    pairs that one of them does not order are left out as by Kendall (1945, The treatment of ties in
    ranking problems). 0 where one orders nothing.
    """
    x, y = (_signs(np.asarray(values, np.float64)) for values in (first, second))
    orders = np.sqrt((x**2).sum(axis=-1) * (y**2).sum(axis=-1))
    agreement = (x * y).sum(axis=-1)
    found = np.divide(agreement, orders, out=np.zeros(orders.shape), where=orders > 0)
    return np.asarray(found.round(12))


def _signs(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return 1, 0 or -1 for each pair of the last axis."""
    before, behind = np.triu_indices(values.shape[-1], 1)
    return np.asarray(np.sign(values[..., before] - values[..., behind]))
