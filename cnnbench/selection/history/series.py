"""Series of one number over runs, and the changes of its level."""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from statistics import median
from typing import Literal

import numpy as np

from cnnbench.metrics import METRICS, Metric, split
from cnnbench.statistics import estimates
from cnnbench.statistics.change_points import ChangePoint, change_points, spikes
from cnnbench.statistics.drift_correction import logarithms
from cnnbench.statistics.measurement import Measurement
from cnnbench.units import rounded

Direction = Literal["better", "worse", "changed"]


@dataclass(frozen=True)
class Point:
    """A number in one run.

    Attributes:
        run, date: the run, and when it began.
        environment: id of the environment that it was measured in.
        found: the measurement as the run's report has it; it has a value.
        corrected, low, high: the value at the usual speed of the machine, with its 95 % interval:
            the ratio to the reference × the median reference of all runs. None where no reference
            was timed in every run.
        level: mean of its level; of the single run where it stands out.
        stands_out: whether it differs from both its neighbours, and belongs to no level.
    """

    run: str
    date: datetime.datetime
    environment: str
    found: Measurement
    corrected: float | None = None
    low: float | None = None
    high: float | None = None
    level: float = math.nan
    stands_out: bool = False

    @property
    def value(self) -> float:
        """The corrected value where there is one, else the value of the report."""
        return (self.found.value or 0.0) if self.corrected is None else self.corrected


@dataclass(frozen=True)
class Change:
    """A change of level.

    Attributes:
        run, date, environment: of the first run of the new level.
        before: the last run of the level before that does not stand out.
        ratio, ratio_ci: new level ÷ level before, drift-corrected, with its 95 % interval; None of
            a share, and where the level before is 0.
        difference: new level - level before, in base units.
        p_adjusted: of the test; None where any difference counts.
        verdict: better, worse, or changed where neither direction is better.
        is_gradual: whether a straight line fits the runs around it better than two levels.
        is_confirmed: False where the last run alone is at the new level.
    """

    run: str
    date: datetime.datetime
    environment: str
    before: str
    ratio: float | None
    ratio_ci: tuple[float, float] | None
    difference: float
    p_adjusted: float | None
    verdict: Direction
    is_gradual: bool
    is_confirmed: bool


@dataclass(frozen=True)
class Series:
    """One number of one network over the runs in one environment.

    Attributes:
        name, model, variant, input_shape, classes: the network.
        metric: the column, setting included.
        environments: ids, the first for times; several only where they may be compared.
        points: the runs that have a value, in the order of time.
        absent: ``run: reason`` of those that tried and have none.
        changes: the changes of its level.
    """

    name: str
    model: str
    variant: str
    input_shape: str
    classes: str
    metric: str
    environments: tuple[str, ...]
    points: tuple[Point, ...]
    absent: tuple[str, ...] = ()
    changes: tuple[Change, ...] = field(default=())

    @property
    def definition(self) -> Metric:
        """The metric without its setting."""
        return METRICS[split(self.metric)[0]]

    @property
    def is_exact(self) -> bool:
        """True for counts and sizes, of which every difference beyond the threshold counts."""
        return self.definition.depends_on != "setting" or self.definition.unit == "count"

    @property
    def is_relative(self) -> bool:
        """True if ratios matter; of a share differences do."""
        positive = all((point.found.value or 0) > 0 for point in self.points)
        return self.definition.unit != "fraction" and positive

    @property
    def title(self) -> str:
        """The metric, its setting and the network, in words."""
        _, label = split(self.metric)
        return f"{self.definition.title} {label}".strip() + f", {self.name}"


def analysed(series: Sequence[Series], effects: Sequence[float]) -> list[Series]:
    """Return the series with corrected values, levels and changes; all tests are one family.

    Args:
        effects: the smallest difference of each that counts: relative, of a share absolute.
    """
    corrected = [_corrected(one) for one in series]
    pairs = list(zip(corrected, effects, strict=True))
    alone = [[] if one.is_exact else _spikes(one, effect) for one, effect in pairs]
    kept = [
        [at for at in range(len(one.points)) if at not in out]
        for one, out in zip(corrected, alone, strict=True)
    ]
    values = [_tested(one, members) for one, members in zip(corrected, kept, strict=True)]
    tested = [place for place, one in enumerate(corrected) if not one.is_exact]
    sizes = [_smallest(corrected[place], effects[place]) for place in tested]
    found: list[list[ChangePoint]] = [[] for _ in corrected]
    tests = change_points([values[place] for place in tested], sizes)
    for place, changes in zip(tested, tests, strict=True):
        found[place] = changes
    for place, (one, effect) in enumerate(pairs):
        if one.is_exact:
            found[place] = _steps(one, effect)
    return [_with_changes(one, kept[place], found[place]) for place, one in enumerate(corrected)]


def _smallest(series: Series, effect: float) -> float:
    """Return the smallest difference of tested numbers; a relative one has no meaning beside 0."""
    if series.is_relative:
        return math.log1p(effect)
    return effect if series.definition.unit == "fraction" else 0.0


def _corrected(series: Series) -> Series:
    """Return the series with drift-corrected values, if every run has a reference."""
    measured = [point.found for point in series.points]
    if not all(one.ratios for one in measured):
        return series
    usual = median(median(one.references) for one in measured)
    points = []
    for point in series.points:
        found = estimates.estimate(point.found.ratios)
        scale = 1 / usual if point.found.is_rate else usual
        value, low, high = (rounded(end * scale) for end in (found.value, found.low, found.high))
        points.append(replace(point, corrected=value, low=low, high=high))
    return replace(series, points=tuple(points))


def _tested(series: Series, kept: Sequence[int]) -> list[float]:
    """Return the numbers of runs that are tested: logarithms where ratios matter."""
    values = [series.points[at].value for at in kept]
    return logarithms(values).tolist() if series.is_relative else values


def _spikes(series: Series, effect: float) -> list[int]:
    """Return the runs that differ from both neighbours, by their process samples."""
    if not series.is_relative:
        return []
    measured = [point.found for point in series.points]
    are_corrected = all(one.ratios for one in measured)
    samples = [one.ratios if are_corrected else one.samples for one in measured]
    if not all(samples) or min(min(one) for one in samples) <= 0:
        return []
    return spikes(samples, effect)


def _steps(series: Series, effect: float) -> list[ChangePoint]:
    """Return the runs whose number differs from that of the level before by more than ``effect``.

    Numbers within it of the first run of a level belong to the level.
    """
    found = []
    level = series.points[0].value if series.points else 0.0
    for at, point in enumerate(series.points):
        ratio = point.value / level if level else math.inf
        if point.value == level or 1 / (1 + effect) <= ratio <= 1 + effect:
            continue
        difference = math.log(ratio) if series.is_relative else point.value - level
        found.append(ChangePoint(at, difference, difference, difference, 0.0, False, True))
        level = point.value
    return found


def _with_changes(series: Series, kept: Sequence[int], found: Sequence[ChangePoint]) -> Series:
    """Return the series with the level of every point, and the changes in words of its runs."""
    points = [replace(p, level=p.value, stands_out=True) for p in series.points]
    levels = []
    for start, stop in pairwise([0, *(change.at for change in found), len(kept)]):
        members = [points[at].value for at in kept[start:stop]]
        levels.append(_mean(members, series.is_relative))
        for at in kept[start:stop]:
            points[at] = replace(points[at], level=rounded(levels[-1]), stands_out=False)
    changes = []
    for number, change in enumerate(found):
        first, last = points[kept[change.at]], points[kept[change.at - 1]]
        ratios = [rounded(math.exp(d)) for d in (change.difference, change.low, change.high)]
        changes.append(
            Change(
                first.run,
                first.date,
                first.environment,
                last.run,
                ratios[0] if series.is_relative else None,
                (ratios[1], ratios[2]) if series.is_relative and not series.is_exact else None,
                rounded(levels[number + 1] - levels[number]),
                None if series.is_exact else rounded(change.p_adjusted),
                _direction(series.definition, change.difference > 0),
                change.is_gradual,
                change.is_confirmed,
            )
        )
    return replace(series, points=tuple(points), changes=tuple(changes))


def _mean(values: Sequence[float], is_relative: bool) -> float:
    """Return the geometric mean where ratios matter, else the mean; of equal values exactly it."""
    if len(set(values)) <= 1:
        return values[0] if values else math.nan
    return float(np.exp(np.mean(np.log(values))) if is_relative else np.mean(values))


def _direction(metric: Metric, is_higher: bool) -> Direction:
    if metric.better is None:
        return "changed"
    return "better" if is_higher == (metric.better == "higher") else "worse"
