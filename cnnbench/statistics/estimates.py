"""Estimates from samples: intervals over processes, verdicts, comparisons, tiers.

Pure functions of numbers. One process is one sample. Latencies are analysed as
``log(fastest-decile mean / reference)``, one value per process, always by the same robust
estimator, the interquartile mean (`cnnbench.statistics.robust`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

import numpy as np

from cnnbench.statistics.drift_correction import (
    LARGEST,
    SMALLEST,
    log_ratios,
    logarithms,
)
from cnnbench.statistics.robust import (
    CONFIDENCE,
    FEWEST_PROCESSES,
    t_quantile,
    t_test,
    trimmed,
    yuen,
)
from cnnbench.statistics.verdict import STABLE, Verdict
from cnnbench.units import rounded

MINIMUM_EFFECT = 0.05

# A flag that more than this share of a cell's rounds carry makes the cell unstable.
_FLAGGED = 1 / 3


@dataclass(frozen=True)
class Estimate:
    """Value with its two-sided interval, or with the range of its samples where there is none."""

    value: float
    low: float
    high: float

    @property
    def precision(self) -> float:
        """Half the interval's width, relative to the value."""
        return (self.high - self.low) / 2 / abs(self.value) if self.value else math.inf


Direction = Literal["higher", "lower", "no difference", "too few processes"]


@dataclass(frozen=True)
class RatioTest:
    """RatioTest of two cells.

    Attributes:
        ratio, low, high: new ÷ base, drift-corrected, with its interval (not Holm-corrected).
        p: of a difference as large, were the true one within the minimum effect;
            ``p_adjusted`` after Holm's correction over all comparisons made.
        verdict: ``higher``, ``lower``, ``no difference``, or ``too few processes``.
    """

    ratio: float
    low: float
    high: float
    p: float
    p_adjusted: float
    verdict: Direction


def estimate(samples: Sequence[float], references: Sequence[float] | None = None) -> Estimate:
    """Return the value of a positive quantity over processes, with its 95 % interval.

    Args:
        samples: one per process, positive.
        references: the reference timed with each; then what drifts cancels, and the result is
            the trimmed geometric mean of the ratios times the median reference.

    With fewer than `FEWEST_PROCESSES` samples the interval is their range.

    Raises:
        ValueError: no samples, or not as many references.
    """
    logs = log_ratios(samples, references)
    scale = 1.0 if references is None else median(references)
    centre, error, freedom = trimmed(logs)
    if len(logs) < FEWEST_PROCESSES:
        low, high = float(logs.min()), float(logs.max())
    else:
        half = t_quantile(freedom) * error
        low, high = float(centre - half), float(centre + half)
    return Estimate(*(_bounded(scale * _exp(log)) for log in (float(centre), low, high)))


def converged(found: Sequence[Estimate], undisturbed: int, precision: float) -> bool:
    """Return whether the relative half-width of every interval of a cell is within ``precision``.

    Never with fewer than `FEWEST_PROCESSES` undisturbed processes: more are worth their time.
    """
    if not found or undisturbed < FEWEST_PROCESSES:
        return False
    return all(one.precision <= precision for one in found)


def verdict(
    found: Estimate,
    rounds: int,
    undisturbed: int,
    precision: float | None = None,
    flags: Sequence[Sequence[str]] = (),
    causes: Sequence[Sequence[str]] = (),
    capped: str = "",
) -> Verdict:
    """Return whether a number is stable, or every reason why it is not.

    Args:
        found: the number with its interval, as tables show it.
        rounds: number of processes.
        undisturbed: number of those that were measured while the machine was quiet.
        precision: the relative half-width that was asked for.
        flags: doubts of each process (``drifting: +14 %``); the words before a colon or a bracket
            name the kind, which counts when over a third of the processes have it.
        causes: likewise, what may have disturbed each process: named where the number is too noisy,
            no doubt by itself.
        capped: the limit of time that ended the rounds (``3 min``), where one did; a reason only
            where there are too few of them.
    """
    reasons = []
    if rounds < FEWEST_PROCESSES:
        reasons.append(f"{rounds} of at least {FEWEST_PROCESSES} processes")
    elif precision is not None and found.precision > precision:
        reasons.append(
            f"too noisy: ±{100 * found.precision:.1f} % after {rounds} rounds, "
            f"±{100 * precision:.1f} % requested"
        )
        if undisturbed < min(rounds, FEWEST_PROCESSES):
            disturbed = rounds - undisturbed
            reasons.append(f"the machine was slowed down in {disturbed} of {rounds} rounds")
        reasons += concerns(causes)
    if reasons and capped:
        reasons.append(f"stopped at the limit of {capped} per cell")
    reasons += concerns(flags)
    return Verdict.unstable(*reasons) if reasons else STABLE


def concerns(flags: Sequence[Sequence[str]]) -> list[str]:
    """Return the kinds of flags of over a third of the rounds: ``drifting in 3 of 6 rounds``."""
    kinds = Counter(kind for one in flags for kind in dict.fromkeys(map(_kind, one)))
    return [
        f"{kind} in {count} of {len(flags)} rounds"
        for kind, count in kinds.items()
        if count > _FLAGGED * len(flags)
    ]


def compare(
    pairs: Sequence[tuple[Sequence[float], Sequence[float]]],
    minimum_effect: float | Sequence[float] = MINIMUM_EFFECT,
) -> list[RatioTest]:
    """Compare pairs of cells, ``(base, new)``, as one family of tests.

    Args:
        pairs: process samples, positive; of a latency location ÷ reference each.
        minimum_effect: smaller relative differences do not count; one for all pairs, or
            one per pair.

    Two cells differ when Yuen's t-test of the logarithms, Holm-corrected over ``pairs``, shows
    that the ratio is beyond the minimum effect. A ratio that only happens to lie beyond it is no
    proof: runs of one network at different hours differ by a few per cent that no one run shows.
    """
    effects = (
        [minimum_effect] * len(pairs) if isinstance(minimum_effect, float | int) else minimum_effect
    )
    tests = [
        _test(logarithms(base), logarithms(new), math.log1p(effect))
        for (base, new), effect in zip(pairs, effects, strict=True)
    ]
    adjusted = iter(holm([p for _, p in tests if p is not None]))
    return [_judged(ratio, p, 1.0 if p is None else next(adjusted)) for ratio, p in tests]


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment (Holm 1979): p-values to be compared with 5 % as a family."""
    count = len(p_values)
    adjusted, highest = [1.0] * count, 0.0
    for rank, index in enumerate(sorted(range(count), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (count - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def tiers(cells: Sequence[Sequence[float]], minimum_effect: float = MINIMUM_EFFECT) -> list[int]:
    """Return the tier of each cell, 1 for the lowest; cells that do not differ share one.

    A tier is led by its lowest cell, and holds those that are not shown to differ from the leader
    (all pairs are one family of tests), so that a chain of small steps does not become one tier.

    Args:
        cells: process samples, positive; of a latency location ÷ reference each.
    """
    centres = [float(trimmed(logarithms(cell))[0]) for cell in cells]
    order = sorted(range(len(cells)), key=lambda index: centres[index])
    pairs = [(a, b) for rank, a in enumerate(order) for b in order[rank + 1 :]]
    found = compare([(cells[a], cells[b]) for a, b in pairs], minimum_effect)
    higher = {pair for pair, one in zip(pairs, found, strict=True) if one.verdict == "higher"}
    result = [0] * len(cells)
    for number, tier in enumerate(grouped(order, higher), 1):
        for index in tier:
            result[index] = number
    return result


def grouped(order: Sequence[int], worse: Collection[tuple[int, int]]) -> list[list[int]]:
    """Return tiers of cells by index; one worse than the first of a tier begins the next.

    Args:
        order: indices of the cells, the best first.
        worse: ``(better, worse)`` pairs that differ significantly.
    """
    found: list[list[int]] = []
    for index in order:
        if not found or (found[-1][0], index) in worse:
            found.append([])
        found[-1].append(index)
    return found


def _test(base: np.ndarray, new: np.ndarray, effect: float) -> tuple[Estimate, float | None]:
    """Return the ratio of two cells, from logarithms, and p; None with too few processes."""
    difference, error, freedom = yuen(base, new)
    if min(len(base), len(new)) < FEWEST_PROCESSES:
        ends, p = (new.min() - base.max(), new.max() - base.min()), None
    else:
        half = t_quantile(freedom) * error
        ends = difference - half, difference + half
        p = float(t_test(difference, error, freedom, effect))
    return Estimate(*map(_exp, (difference, *ends))), p


def _judged(ratio: Estimate, p: float | None, p_adjusted: float) -> RatioTest:
    if p is None:
        words: Direction = "too few processes"
    elif p_adjusted < 1 - CONFIDENCE:
        words = "higher" if ratio.value > 1 else "lower"
    else:
        words = "no difference"
    value, low, high = map(rounded, (ratio.value, ratio.low, ratio.high))
    return RatioTest(value, low, high, 1.0 if p is None else p, p_adjusted, words)


def _exp(log: float) -> float:
    return math.exp(min(max(log, math.log(SMALLEST)), math.log(LARGEST)))


def _bounded(value: float) -> float:
    return min(max(value, SMALLEST), LARGEST)


def _kind(flag: str) -> str:
    for end in (":", " (", " by "):
        flag = flag.split(end, 1)[0]
    return flag
