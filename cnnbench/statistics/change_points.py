"""Change points of a series of runs: where its level changed, and runs that stand out.

Pure functions of numbers. One run is one sample: runs at different hours differ by more than the
processes of one run, so only the spread between runs tells what a difference between runs means.

Binary segmentation (Scott and Knott 1974; Vostrikova 1981) proposes changes: it divides a series
where the runs on either side scatter least around their means, as long as a t-test shows any
difference. Its variance is that within both sides, or that of successive differences (von Neumann
1941), which other changes do not inflate. Then every proposed change is placed and tested between
its neighbours, by a t-test with the variance within both sides, against a minimum effect; the
weakest that fails is dropped, until all that are left pass. P-values are multiplied by the number
of places examined (Bonferroni), and those of all series adjusted by Holm's method.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from cnnbench.statistics.estimates import compare, holm
from cnnbench.statistics.robust import CONFIDENCE, t_quantile, t_test

FEWEST_RUNS = 3
"""Runs of a series without which nothing can be tested: two before a change, and one after."""

_FEWEST = 2  # runs on either side of a change, but for the last run


@dataclass(frozen=True)
class ChangePoint:
    """A change of level.

    Attributes:
        at: index of the first run of the new level.
        difference, low, high: new level - level before, with its 95 % interval.
        p_adjusted: after the corrections for places, segments and series.
        is_gradual: whether a straight line fits the runs on both sides better than two levels.
        is_confirmed: False where the last run alone is at the new level.
    """

    at: int
    difference: float
    low: float
    high: float
    p_adjusted: float
    is_gradual: bool
    is_confirmed: bool


@dataclass(frozen=True)
class _Split:
    """The best place to divide the runs ``start`` to ``stop``, and the levels on both sides.

    Attributes:
        places: number of places that were examined.
        variance, freedom: within both sides, and its degrees of freedom.
    """

    start: int
    at: int
    stop: int
    places: int
    difference: float
    variance: float
    freedom: int

    @property
    def error(self) -> float:
        """Standard error of the difference."""
        return math.sqrt(self.variance * self.per_run)

    @property
    def per_run(self) -> float:
        """Variance of the difference for runs of variance 1."""
        return 1 / (self.at - self.start) + 1 / (self.stop - self.at)

    def p(self, effect: float) -> float:
        """Return the p-value of a difference beyond ``effect``, for all places."""
        once = t_test(self.difference, self.error, self.freedom, effect)
        return min(1.0, self.places * float(once))


def change_points(
    series: Sequence[Sequence[float]], effects: float | Sequence[float] = 0.0
) -> list[list[ChangePoint]]:
    """Return the changes of level of every series, all tested as one family.

    Args:
        series: one number per run, in the order of time; logarithms where ratios matter.
        effects: smaller differences do not count; one for all series, or one per series.
    """
    sizes = [float(effects)] * len(series) if isinstance(effects, int | float) else list(effects)
    values = [np.asarray(one, float) for one in series]
    bounds: list[list[int]] = [[0, len(one)] for one in values]
    while True:
        found = [
            (place, _best_split(values[place], start, stop))
            for place, ends in enumerate(bounds)
            for start, stop in pairwise(ends)
            if stop - start >= _FEWEST + _fewest_after(stop, values[place])
        ]
        adjusted = holm([_p_of_proposal(values[place], split) for place, split in found])
        new = [
            (place, split.at)
            for (place, split), p in zip(found, adjusted, strict=True)
            if p < 1 - CONFIDENCE
        ]
        for place, at in new:
            bounds[place] = sorted([*bounds[place], at])
        if not new:
            others = [split.p(sizes[place]) for place, split in found]
            return _confirmed(values, bounds, sizes, others)


def spikes(runs: Sequence[Sequence[float]], effect: float) -> list[int]:
    """Return the indices of single runs that differ from both neighbours in the same direction.

    Args:
        runs: the process samples of each run, positive; runs with fewer than six are never found.
        effect: smaller relative differences do not count.

    Neighbours are compared as two runs always are (`estimates.compare`), as one family. The first
    and the last run have one neighbour only, so that they cannot be told from a change.
    """
    tests = compare(list(pairwise(runs)), effect)
    verdicts = [test.verdict for test in tests]
    found: list[int] = []
    for at in range(1, len(tests)):
        is_alone = {verdicts[at - 1], verdicts[at]} == {"higher", "lower"}
        if is_alone and at - 1 not in found:
            found.append(at)
    return found


def _confirmed(
    values: Sequence[np.ndarray],
    bounds: list[list[int]],
    effects: Sequence[float],
    others: Sequence[float],
) -> list[list[ChangePoint]]:
    """Return the proposed changes that are significant between their neighbours.

    Args:
        bounds: of each series 0, the proposed changes, and its length.
        others: p-values of the segments in which no change was proposed, of the same family.
    """
    while True:
        found: list[tuple[int, int, _Split]] = []
        for place, ends in enumerate(bounds):
            for number in range(1, len(ends) - 1):
                split = _best_split(values[place], ends[number - 1], ends[number + 1])
                ends[number] = split.at
                found.append((place, number, split))
        p_values = [split.p(effects[place]) for place, _, split in found]
        adjusted = holm([*p_values, *others])[: len(found)]
        weakest = max(range(len(found)), key=lambda i: adjusted[i], default=None)
        if weakest is None or adjusted[weakest] < 1 - CONFIDENCE:
            break
        place, number, _ = found[weakest]
        del bounds[place][number]
    changes: list[list[ChangePoint]] = [[] for _ in values]
    for (place, _, split), p in zip(found, adjusted, strict=True):
        changes[place].append(_change(values[place], split, p))
    return changes


def _p_of_proposal(values: np.ndarray, split: _Split) -> float:
    """Return the p-value of any difference, by the better of two variances (twice the smaller p).

    Successive differences of independent runs have two thirds of the degrees of freedom.
    """
    steps = np.diff(values[split.start : split.stop])
    variance = float(np.mean(np.square(steps))) / 2
    freedom = max(1.0, 2 * len(steps) / 3)
    error = math.sqrt(variance * split.per_run)
    p = split.places * float(t_test(split.difference, error, freedom))
    return min(1.0, 2 * min(p, split.p(0.0)))


def _fewest_after(stop: int, values: np.ndarray) -> int:
    """Return how many runs a level needs that ends at ``stop``: the last run may be alone."""
    return 1 if stop == len(values) else _FEWEST


def _best_split(values: np.ndarray, start: int, stop: int) -> _Split:
    """Return the division with the least squared deviation from the means of both sides."""
    segment = values[start:stop] - values[start]
    count = len(segment)
    before = np.arange(_FEWEST, count - _fewest_after(stop, values) + 1)
    after = count - before
    sums, squares = np.cumsum(segment), np.cumsum(np.square(segment))
    left = sums[before - 1] / before
    right = (sums[-1] - sums[before - 1]) / after
    scatter = np.maximum(squares[-1] - before * np.square(left) - after * np.square(right), 0.0)
    best = int(np.argmin(scatter))
    at = int(before[best])
    # Of the chosen division without cancellation, so that equal runs have no scatter at all.
    first, second = segment[:at], segment[at:]
    rest = np.sum(np.square(first - first.mean())) + np.sum(np.square(second - second.mean()))
    return _Split(
        start,
        start + at,
        stop,
        len(before),
        float(second.mean() - first.mean()),
        float(rest) / (count - 2),
        count - 2,
    )


def _change(values: np.ndarray, split: _Split, p_adjusted: float) -> ChangePoint:
    half = float(t_quantile(split.freedom)) * split.error
    return ChangePoint(
        split.at,
        split.difference,
        split.difference - half,
        split.difference + half,
        p_adjusted,
        _is_line(values[split.start : split.stop], split.at - split.start),
        split.at < len(values) - 1,
    )


def _is_line(values: np.ndarray, at: int) -> bool:
    """Return whether a straight line fits better than two levels, with one number less."""
    times = np.arange(len(values), dtype=float)
    slope, offset = np.polyfit(times, values, 1)
    line = np.sum(np.square(values - slope * times - offset))
    levels = sum(
        float(np.sum(np.square(side - side.mean()))) for side in (values[:at], values[at:])
    )
    return bool(line < levels)
