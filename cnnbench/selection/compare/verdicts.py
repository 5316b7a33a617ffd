"""Verdict on a number of two reports: better, worse, same, or why it was not verified.

Counts and sizes compare exactly; those that the trained weights decide, but for a minimum effect,
because another training moves them a little. Times and measured memory are tested over process
samples, one family of tests, Holm-corrected, with a minimum effect. Accuracies compare by their
intervals.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from cnnbench import units
from cnnbench.metrics import Metric
from cnnbench.results.report import DRIFTING
from cnnbench.statistics import estimates
from cnnbench.statistics.measurement import CellStatus, Measurement, StatusKind, comparable
from cnnbench.statistics.robust import FEWEST_PROCESSES

# It was not verified that the number is no worse.
_Unverified = Literal[
    "missing in new",
    "missing in base",
    "failed",
    "skipped",
    "another environment",
    "too few samples",
    "unstable",
]
Outcome = (
    Literal[
        "better",
        "worse",
        "same",
        "changed",  # neither way is better
        "not separated",  # compared, and no difference shown, but none excluded either
    ]
    | _Unverified
)
UNVERIFIED: tuple[Outcome, ...] = get_args(_Unverified)
Interval = tuple[float, float]


@dataclass(frozen=True)
class Pair:
    """One number on both sides.

    Attributes:
        threshold: the smallest difference that counts: relative, of a fraction absolute.
        is_comparable: whether the environments let it be compared.
    """

    metric: Metric
    base: Measurement
    new: Measurement
    threshold: float = 0.0
    is_comparable: bool = True

    @property
    def ratio(self) -> float | None:
        """New ÷ base, of the two numbers as they are shown."""
        if self.base.value is None or self.new.value is None or not self.base.value:
            return None
        return self.new.value / self.base.value


@dataclass(frozen=True)
class Judged:
    """Verdict on a pair, and the figures behind it.

    Attributes:
        ratio_ci: the 95 % interval of the ratio of the two shown numbers, where known.
        corrected_ratio, corrected_ratio_ci: new ÷ base with each sample divided by the reference
            timed with it; of times that have one, and then the verdict is by it.
        note: why, where the verdict does not explain itself.
    """

    verdict: Outcome
    note: str = ""
    ratio_ci: Interval | None = None
    corrected_ratio: float | None = None
    corrected_ratio_ci: Interval | None = None


def is_time(metric: Metric) -> bool:
    """Return whether a metric depends on the speed of the machine."""
    return metric.unit in DRIFTING and metric.depends_on == "setting"


def judge(pairs: Sequence[Pair]) -> list[Judged]:
    """Return the verdict of every pair; all tests are one family for Holm's correction."""
    known_verdicts = [_without_test(pair) for pair in pairs]
    open_pairs = [pair for pair, known in zip(pairs, known_verdicts, strict=True) if known is None]
    thresholds = [pair.threshold for pair in open_pairs]
    tests = iter(estimates.compare([_samples(pair) for pair in open_pairs], thresholds))
    return [
        known if known is not None else _doubted(pair, _tested(pair, next(tests)))
        for pair, known in zip(pairs, known_verdicts, strict=True)
    ]


def _without_test(pair: Pair) -> Judged | None:
    """Return the verdict where no test is needed or possible; else None."""
    base, new = pair.base, pair.new
    if base.value is None or new.value is None:
        return _absent(pair)
    if not pair.is_comparable:
        return Judged("another environment")
    if pair.metric.depends_on == "weights":
        return _exact(pair, ", as trainings differ")
    if pair.metric.depends_on != "setting":
        return _exact(pair)
    if base.value == new.value and base.samples == new.samples:
        return Judged("same", "the same numbers")
    if pair.metric.better is None:
        return Judged("changed", "neither direction is better")
    if pair.metric.unit == "count":  # the largest batch, which may be 0
        return _exact(pair)
    if pair.metric.unit == "fraction":
        return _doubted(pair, _by_intervals(pair))
    if not all(_samples(pair)):
        return Judged("too few samples", "no process samples in the table")
    return None


def _absent(pair: Pair) -> Judged:
    """Return the verdict if one side or both have no number."""
    base, new = pair.base, pair.new
    if new.has_failed and base.value is not None:
        return _failure(pair, "worse", "now", new.status)
    if base.has_failed and new.value is not None:
        return _failure(pair, "better", "was", base.status)
    blank = [(word, side) for word, side in _sides(pair) if side.value is None]
    note = "; ".join(f"{word}: {side.why_absent}" for word, side in blank)
    if any(side.has_failed for _, side in blank):
        return Judged("failed", note)
    if any(side.was_skipped for _, side in blank):
        return Judged("skipped", note)
    if not any(side.status.is_known for _, side in blank):
        note = "" if len(blank) == 1 else "in base too"
    return Judged("missing in base" if new.value is not None else "missing in new", note)


def _failure(pair: Pair, verdict: Outcome, word: str, status: CellStatus) -> Judged:
    """Return the verdict on a failure; timeouts compare only where times do."""
    if status.kind is StatusKind.TIMEOUT and not pair.is_comparable:
        return Judged("another environment", f"{word} {status}")
    return Judged(verdict, f"{word} {status}")


def _exact(pair: Pair, why: str = "") -> Judged:
    ratio = pair.ratio
    if pair.base.value == pair.new.value:
        return Judged("same")
    by = f"by {_difference(pair)}"  # 4.25 M and 4.25 M look the same
    if ratio is not None and 1 / (1 + pair.threshold) <= ratio <= 1 + pair.threshold:
        return Judged("same", f"{by}{why}")
    if pair.metric.better is None:
        return Judged("changed", f"{by}; neither direction is better")
    return Judged(_direction(pair.metric, _is_higher(pair)), by)


def _by_intervals(pair: Pair) -> Judged:
    """Return whether the interval of a difference of accuracies is beyond the threshold.

    A single training is only compared for whether it is above chance. The interval of the
    difference comes from the two intervals by the square-and-add rule (Newcombe 1998, Interval
    estimation for the difference between independent proportions, method 10).
    """
    base, new = pair.base, pair.new
    if not (base.is_ranked or new.is_ranked):
        return Judged("unstable")
    # These intervals cover seeds and images both, however few the seeds.
    if not pair.metric.is_of_images and not _enough(pair):
        return _too_few(pair)  # their interval is a mere range
    if base.value is None or new.value is None or not (base.has_interval and new.has_interval):
        return Judged("too few samples", "no interval")
    if base.is_ranked and new.is_ranked and (base.verdict.is_one_draw or new.verdict.is_one_draw):
        return Judged("too few samples", "a single training")
    gap = new.value - base.value
    low = gap - math.hypot(new.value - (new.low or 0.0), (base.high or 0.0) - base.value)
    high = gap + math.hypot((new.high or 0.0) - new.value, base.value - (base.low or 0.0))
    interval = (1 + low / base.value, 1 + high / base.value) if base.value else None
    if low > pair.threshold or high < -pair.threshold:
        return Judged(_direction(pair.metric, low > 0), "", interval)
    is_within = -pair.threshold <= low and high <= pair.threshold
    return Judged("same" if is_within else "not separated", "", interval)


def _tested(pair: Pair, test: estimates.RatioTest) -> Judged:
    interval = (test.low, test.high)
    found = Judged("not separated", "", interval)
    if _is_corrected(pair):
        # The shown ratio also contains the change in the speed of the machine.
        machine = (pair.ratio or test.ratio) / test.ratio
        found = Judged(
            "not separated", "", (machine * test.low, machine * test.high), test.ratio, interval
        )
    if test.verdict in ("higher", "lower"):
        verdict = _direction(pair.metric, test.verdict == "higher")
        return replace(found, verdict=verdict, note=f"p = {test.p_adjusted:.2g}")
    if test.verdict == "too few processes":
        few = _too_few(pair)
        return replace(found, verdict=few.verdict, note=few.note)
    if units.rounded(1 / (1 + pair.threshold)) <= test.low and test.high <= 1 + pair.threshold:
        return replace(found, verdict="same")
    return found


def _doubted(pair: Pair, found: Judged) -> Judged:
    """Return ``found`` with the doubts about its numbers; without a difference it is unstable."""
    doubts = [f"{word}: {side.doubt}" for word, side in _sides(pair) if side.is_doubtful]
    if not doubts or found.verdict == "too few samples":
        return found
    is_open = found.verdict in ("same", "not separated")
    note = "; ".join(filter(None, [found.note, *doubts]))
    return replace(found, verdict="unstable" if is_open else found.verdict, note=note)


def _sides(pair: Pair) -> tuple[tuple[str, Measurement], tuple[str, Measurement]]:
    return ("base", pair.base), ("new", pair.new)


def _enough(pair: Pair) -> bool:
    fewest = min(len(pair.base.samples), len(pair.new.samples))
    return fewest >= FEWEST_PROCESSES


def _too_few(pair: Pair) -> Judged:
    what = "seeds" if pair.metric.unit == "fraction" else "processes"
    counts = f"{len(pair.base.samples)} and {len(pair.new.samples)} {what}"
    return Judged("too few samples", f"{counts}, {FEWEST_PROCESSES} per side are needed")


def _is_corrected(pair: Pair) -> bool:
    return bool(pair.base.ratios and pair.new.ratios)


def _samples(pair: Pair) -> tuple[Sequence[float], Sequence[float]]:
    """Return the samples to test: ÷ reference where both sides timed one with each."""
    found = comparable(pair.base, pair.new)
    base, new = ([sample for sample in side if sample > 0] for side in found)
    return base, new


def _difference(pair: Pair) -> str:
    """Return new - base in full: ``+1,000``, ``-12 B``."""
    by = (pair.new.value or 0.0) - (pair.base.value or 0.0)
    if pair.metric.unit in ("count", "bytes") and by.is_integer():
        return f"{by:+,.0f}" + (" B" if pair.metric.unit == "bytes" else "")
    return ("+" if by > 0 else "") + units.show(by, pair.metric.unit)


def _is_higher(pair: Pair) -> bool:
    return (pair.new.value or 0.0) > (pair.base.value or 0.0)


def _direction(metric: Metric, is_higher: bool) -> Outcome:
    return "better" if is_higher == (metric.better == "higher") else "worse"
