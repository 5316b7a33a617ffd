"""What samples say, and how sure: percentiles, intervals over processes, verdicts, comparisons.

Pure functions of numbers. One process is one sample. Latencies are looked at as
``log(location / reference)``, one value a process, and everywhere by the same robust estimator:
the 20 % trimmed mean with its winsorised standard error (Tukey and McLaughlin 1963; two samples:
Yuen 1974, The two-sample trimmed t for unequal population variances, Biometrika 61). From five
processes on, one outlier a side neither moves it nor widens its interval.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

FEWEST_PROCESSES = 6
CONFIDENCE = 0.95
MINIMUM_EFFECT = 0.05

# At least two calls lie above the percentile with 99 % confidence: the smallest n with
# q**n + n * (1 - q) * q**(n - 1) <= 0.01, for independent calls (as MLPerf's early stopping).
CALLS_NEEDED = {50: 11, 90: 64, 95: 130, 99: 662}

_TRIM = 0.2
# A flag that more than this share of a cell's rounds carry makes the cell unstable.
_FLAGGED = 1 / 3


@dataclass(frozen=True)
class Estimate:
    """A value with its two-sided interval; where no interval can be had, the samples' range."""

    value: float
    low: float
    high: float

    @property
    def precision(self) -> float:
        """Half the interval's width, relative to the value."""
        return (self.high - self.low) / 2 / abs(self.value) if self.value else math.inf


@dataclass(frozen=True)
class Comparison:
    """Two cells.

    Attributes:
        ratio, low, high: new ÷ base, drift-corrected, with its interval (not Holm-corrected).
        p: of a two-sided test; ``p_adjusted`` after Holm's correction over all comparisons made.
        verdict: ``higher``, ``lower``, ``no difference``, or ``too few processes``.
    """

    ratio: float
    low: float
    high: float
    p: float
    p_adjusted: float
    verdict: str


def percentile(calls: Sequence[float], q: int) -> float | None:
    """The ``q``-th percentile (inclusive), or None where there are too few calls for it."""
    if len(calls) < CALLS_NEEDED[q]:
        return None
    return float(np.percentile(np.asarray(calls, float), q))


def calls_missing(count: int, q: int) -> int:
    """How many more calls the ``q``-th percentile wants."""
    return max(0, CALLS_NEEDED[q] - count)


def estimate(samples: Sequence[float], references: Sequence[float] | None = None) -> Estimate:
    """The value of a positive quantity over processes, with its 95 % interval.

    Args:
        samples: one a process, positive.
        references: the reference timed beside each; then what drifts cancels, and the result is
            the trimmed geometric mean of the ratios times the median reference.

    With fewer than `FEWEST_PROCESSES` samples the interval is their range.

    Raises:
        ValueError: no samples, or not as many references.
    """
    logs = _log_ratios(samples, references)
    scale = 1.0 if references is None else float(np.median(np.asarray(references, float)))
    centre, error, freedom = trimmed(logs)
    if len(logs) < FEWEST_PROCESSES:
        low, high = float(logs.min()), float(logs.max())
    else:
        half = _t_quantile(freedom) * error
        low, high = float(centre - half), float(centre + half)
    return Estimate(*(scale * math.exp(log) for log in (float(centre), low, high)))


def converged(
    locations: Sequence[float], references: Sequence[float], precision: float
) -> bool:
    """Whether the interval's relative half-width is within ``precision``."""
    if len(locations) < FEWEST_PROCESSES:
        return False
    return estimate(locations, references).precision <= precision


def verdict(
    locations: Sequence[float],
    references: Sequence[float],
    precision: float | None = None,
    flags: Sequence[Sequence[str]] = (),
) -> str:
    """``stable``, or ``unstable: `` and every reason.

    Args:
        locations, references: one a process.
        precision: the relative half-width that was asked for.
        flags: what each process had to say against itself (``drifting: +14 %``); the words before
            a colon or a bracket name the kind, and a kind counts when over a third of the
            processes carry it.
    """
    reasons = []
    if len(locations) < FEWEST_PROCESSES:
        count = len(locations)
        reasons.append(f"{count} process{'es' * (count != 1)} of at least {FEWEST_PROCESSES}")
    elif precision is not None:
        reached = estimate(locations, references).precision
        if reached > precision:
            reasons.append(
                f"too noisy: ±{reached:.1%} after {len(locations)} rounds, ±{precision:.1%} wanted"
            )
    reasons += concerns(flags)
    return f"unstable: {'; '.join(reasons)}" if reasons else "stable"


def concerns(flags: Sequence[Sequence[str]]) -> list[str]:
    """The kinds of flags that over a third of the rounds carry: ``drifting in 3 of 6 rounds``."""
    kinds = Counter(kind for one in flags for kind in dict.fromkeys(map(_kind, one)))
    return [
        f"{kind} in {count} of {len(flags)} rounds"
        for kind, count in kinds.items()
        if count > _FLAGGED * len(flags)
    ]


def compare(
    pairs: Sequence[tuple[Sequence[float], Sequence[float]]],
    minimum_effect: float = MINIMUM_EFFECT,
) -> list[Comparison]:
    """Compare pairs of cells, ``(base, new)``, as one family of tests.

    Args:
        pairs: process samples, positive; of a latency location ÷ reference each.
        minimum_effect: a smaller relative difference is none, however significant.

    Two cells differ when Yuen's trimmed t-test of the logarithms, Holm-corrected over ``pairs``,
    is below 5 % *and* the ratio is beyond the minimum effect.
    """
    tests = [_test(*(np.log(np.asarray(side, float)) for side in pair)) for pair in pairs]
    adjusted = holm([test.p for test in tests if test.enough])
    remaining = iter(adjusted)
    return [
        test.judged(next(remaining) if test.enough else 1.0, minimum_effect) for test in tests
    ]


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment (Holm 1979): p-values that may be held against 5 % together."""
    count = len(p_values)
    adjusted, highest = [1.0] * count, 0.0
    for rank, place in enumerate(sorted(range(count), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (count - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted


def tiers(
    cells: Sequence[Sequence[float]], minimum_effect: float = MINIMUM_EFFECT
) -> list[int]:
    """The tier of each cell, 1 for the lowest values; cells that cannot be told apart share one.

    A tier is led by its lowest cell, and holds those that are not shown to differ from the leader
    (all pairs are one family of tests), so that a chain of small steps does not become one tier.

    Args:
        cells: process samples, positive; of a latency location ÷ reference each.
    """
    centres = [float(trimmed(np.log(np.asarray(cell, float)))[0]) for cell in cells]
    order = sorted(range(len(cells)), key=lambda place: centres[place])
    places = [(a, b) for rank, a in enumerate(order) for b in order[rank + 1 :]]
    found = compare([(cells[a], cells[b]) for a, b in places], minimum_effect)
    higher = {pair for pair, one in zip(places, found, strict=True) if one.verdict == "higher"}
    result, leader = [0] * len(cells), -1
    tier = 0
    for place in order:
        if leader < 0 or (leader, place) in higher:
            leader, tier = place, tier + 1
        result[place] = tier
    return result


def trimmed(values: Any) -> tuple[Any, Any, Any]:
    """Trimmed mean, its standard error and degrees of freedom, along the last axis.

    ``g = floor(0.2 n)`` values are cut off at each end, ``h = n - 2 g`` stay; the standard error
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
    squares = ((winsorised - winsorised.mean(-1, keepdims=True)) ** 2).sum(-1)
    error = np.sqrt(squares / (kept * max(kept - 1, 1)))
    return ordered[..., cut : count - cut].mean(-1), error, kept - 1


@dataclass(frozen=True)
class _Test:
    ratio: float
    low: float
    high: float
    p: float
    enough: bool

    def judged(self, p_adjusted: float, minimum_effect: float) -> Comparison:
        if not self.enough:
            words = "too few processes"
        elif p_adjusted < 1 - CONFIDENCE and abs(math.log(self.ratio)) > math.log1p(minimum_effect):
            words = "higher" if self.ratio > 1 else "lower"
        else:
            words = "no difference"
        return Comparison(self.ratio, self.low, self.high, self.p, p_adjusted, words)


def _test(base: np.ndarray, new: np.ndarray) -> _Test:
    difference, error, freedom = yuen(base, new)
    enough = min(len(base), len(new)) >= FEWEST_PROCESSES
    if not enough:
        low, high = float(new.min() - base.max()), float(new.max() - base.min())
        return _Test(*(math.exp(log) for log in (difference, low, high)), p=1.0, enough=False)
    half = _t_quantile(freedom) * error
    return _Test(
        *(math.exp(log) for log in (difference, difference - half, difference + half)),
        p=float(t_test(difference, error, freedom)),
        enough=True,
    )


def yuen(base: Any, new: Any) -> tuple[Any, Any, Any]:
    """Difference of trimmed means (new - base), its standard error, Welch's degrees of freedom."""
    centre_a, error_a, freedom_a = trimmed(base)
    centre_b, error_b, freedom_b = trimmed(new)
    square = error_a**2 + error_b**2
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = square**2 / (
            error_a**4 / max(freedom_a, 1) + error_b**4 / max(freedom_b, 1)
        )
    smallest = max(min(freedom_a, freedom_b), 1)
    return centre_b - centre_a, np.sqrt(square), np.where(square > 0, freedom, smallest)


def t_test(difference: Any, error: Any, freedom: Any) -> Any:
    """The two-sided p of a difference; where the samples do not vary at all, 0 or 1."""
    from scipy.special import stdtr

    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.abs(difference) / error
    p = 2 * stdtr(freedom, -np.where(np.isfinite(statistic), statistic, 0.0))
    return np.where(error > 0, p, np.where(difference == 0, 1.0, 0.0))


def _t_quantile(freedom: Any) -> Any:
    from scipy.special import stdtrit

    return stdtrit(np.maximum(freedom, 1), (1 + CONFIDENCE) / 2)


def _log_ratios(samples: Sequence[float], references: Sequence[float] | None) -> np.ndarray:
    logs = np.log(np.asarray(samples, float))
    if not len(logs):
        raise ValueError("no samples")
    if references is None:
        return logs
    if len(references) != len(samples):
        raise ValueError(f"{len(samples)} samples and {len(references)} references")
    return np.asarray(logs - np.log(np.asarray(references, float)))


def _kind(flag: str) -> str:
    for end in (":", " (", " by "):
        flag = flag.split(end, 1)[0]
    return flag
