"""The robust estimator behind every interval and test: the interquartile mean.

A quarter of the sorted values is cut off at each end; the standard error comes from the winsorised
values (Tukey and McLaughlin 1963; two samples: Yuen 1974, The two-sample trimmed t for unequal
population variances, Biometrika 61). From four values on, one outlier a side neither moves it nor
widens its interval; without trimming one process in six that was disturbed by 30 % would hide a
real 20 %. All functions work along the last axis, so that thousands of trials are one call, and
give the same on every processor: sums are of fixed order, quantiles are rounded.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np

CONFIDENCE = 0.95
_DECIMALS = 12  # of a quantile
Z = round(NormalDist().inv_cdf((1 + CONFIDENCE) / 2), _DECIMALS)
"""Two-sided quantile of the standard normal distribution at `CONFIDENCE`."""
FEWEST_PROCESSES = 6  # for an interval

_TRIM = 0.25


def trimmed(values: Any) -> tuple[Any, Any, Any]:
    """Return the trimmed mean, its standard error and degrees of freedom, along the last axis.

    ``g = floor(n / 4)`` values are cut off at each end, ``h = n - 2 g`` stay; the standard error
    is ``sqrt((n - 1) s_w² / (h (h - 1)))`` with the variance ``s_w²`` of the winsorised values,
    and there are ``h - 1`` degrees of freedom (Yuen 1974). With one value the error is 0.
    """
    ordered = np.sort(np.asarray(values, float), axis=-1)
    count = ordered.shape[-1]
    if not count:
        raise ValueError("no samples")
    cut = int(_TRIM * count)
    kept = count - 2 * cut
    winsorised = np.clip(ordered, ordered[..., cut, None], ordered[..., count - 1 - cut, None])
    squares = _sum(np.square(winsorised - _mean(winsorised)[..., None]))
    error = np.sqrt(squares / (kept * max(kept - 1, 1)))
    return _mean(ordered[..., cut : count - cut]), error, kept - 1


def _mean(values: np.ndarray) -> Any:
    """Mean along the last axis; of equal values exactly that value."""
    first = values[..., 0]
    return first + _sum(values - first[..., None]) / values.shape[-1]


def _sum(values: np.ndarray) -> Any:
    """Sum along the last axis, from the first to the last, which NumPy does not promise."""
    return sum(np.moveaxis(values, -1, 0))


def deviation(values: Any) -> float:
    """Return a robust standard deviation, unaffected by outliers up to half of the values.

    1.4826 × the median absolute deviation, so that it is the standard deviation of normal values
    (Rousseeuw and Croux 1993, Alternatives to the median absolute deviation).
    """
    return float(1.4826 * np.median(np.abs(np.asarray(values, float) - np.median(values))))


def yuen(base: Any, new: Any) -> tuple[Any, Any, Any]:
    """Return new - base of trimmed means, its standard error and Welch's degrees of freedom."""
    centre_a, error_a, freedom_a = trimmed(base)
    centre_b, error_b, freedom_b = trimmed(new)
    square_a, square_b = np.square(error_a), np.square(error_b)
    square = square_a + square_b
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = np.square(square) / (
            np.square(square_a) / max(freedom_a, 1) + np.square(square_b) / max(freedom_b, 1)
        )
    smallest = max(min(freedom_a, freedom_b), 1)
    return centre_b - centre_a, np.sqrt(square), np.where(square > 0, freedom, smallest)


def t_test(difference: Any, error: Any, freedom: Any, effect: float = 0.0) -> Any:
    """Return the p-value of a difference, if the true one is at most ``effect`` either way.

    Hodges and Lehmann 1954, Testing the approximate validity of statistical hypotheses: the worst
    such truth is ``effect`` itself. With 0 it is the usual two-sided p. Where the samples do not
    vary at all it is 0 or 1; a difference that is ``effect`` to nine digits is no larger.
    """
    from scipy.special import stdtr

    size = np.abs(difference)
    beyond = np.where(np.isclose(size, effect, rtol=1e-9, atol=0), 0.0, size - effect)
    with np.errstate(divide="ignore", invalid="ignore"):
        same_side, other_side = beyond / error, (size + effect) / error
    p = stdtr(freedom, -same_side) + stdtr(freedom, -other_side)
    return np.where(error > 0, p, np.where(beyond <= 0, 1.0, 0.0))


def t_quantile(freedom: Any) -> Any:
    """Return the two-sided quantile of Student's t at `CONFIDENCE`."""
    from scipy.special import stdtrit

    return np.round(stdtrit(np.maximum(freedom, 1), (1 + CONFIDENCE) / 2), _DECIMALS)
