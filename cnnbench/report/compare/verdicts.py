"""One number on two sides -> better, worse, same, cannot tell, or not comparable.

Counts and sizes compare exactly; those that the trained weights decide, but for a minimum effect,
because another training moves them a little. Times and measured memory are tested over process
samples, one family of tests, Holm-corrected, with a minimum effect. Accuracies compare by their
intervals.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cnnbench.core import units
from cnnbench.core.metrics import Metric
from cnnbench.report.measured import DRIFTING, Measured
from cnnbench.store import statistics
from cnnbench.store.proportions import SHARES
from cnnbench.store.robust import FEWEST_PROCESSES

Verdict = Literal["better", "worse", "same", "cannot tell", "not comparable"]


@dataclass(frozen=True)
class Pair:
    """One number on both sides, and whether the environments let it be compared."""

    metric: Metric
    base: Measured
    new: Measured
    is_comparable: bool = True


@dataclass(frozen=True)
class Judged:
    """A verdict, new ÷ base with its interval where they are known, and a note."""

    verdict: Verdict
    ratio: float | None = None
    ratio_ci: tuple[float, float] | None = None
    note: str = ""


def is_time(metric: Metric) -> bool:
    """Whether a metric depends on how fast the machine is."""
    return metric.unit in DRIFTING and metric.depends_on == "setting"


def judge(pairs: Sequence[Pair], threshold: float) -> list[Judged]:
    """The verdict of every pair; all tests among them are one family for Holm's correction."""
    settled = [_settled(pair, threshold) for pair in pairs]
    open_pairs = [pair for pair, known in zip(pairs, settled, strict=True) if known is None]
    tests = iter(statistics.compare([_samples(pair) for pair in open_pairs], threshold))
    return [
        known if known is not None else _tested(pair, next(tests), threshold)
        for pair, known in zip(pairs, settled, strict=True)
    ]


def _settled(pair: Pair, threshold: float) -> Judged | None:
    """The verdict where no test is needed, or none is possible."""
    base, new = pair.base, pair.new
    if base.value is None or new.value is None:
        return _one_sided(pair)
    if not pair.is_comparable:
        return Judged("not comparable", _ratio(pair), note="measured in another environment")
    if pair.metric.depends_on == "weights":
        return _exact(pair, threshold, ", as trainings differ")
    if pair.metric.depends_on != "setting":
        return _exact(pair)
    if pair.metric.better is None:
        return Judged("cannot tell", _ratio(pair), note="neither way is better")
    if base.value == new.value and base.samples == new.samples:
        return Judged("same", _ratio(pair), note="the same numbers")
    if pair.metric.unit == "count":  # the largest batch, which may be 0
        return _exact(pair, threshold)
    if pair.metric.unit == "fraction":
        return _by_intervals(pair)
    if not all(_samples(pair)):
        return Judged("cannot tell", _ratio(pair), note="no process samples in the table")
    return None


def _one_sided(pair: Pair) -> Judged:
    base, new = pair.base, pair.new
    if new.has_failed:
        return _failure(pair, "worse", "now", new.status)
    if base.has_failed and new.value is not None:
        return _failure(pair, "better", "was", base.status)
    side, words = ("new", new) if new.value is None else ("base", base)
    return Judged("cannot tell", note=f"{side}: {words.why_absent}")


def _failure(pair: Pair, verdict: Verdict, word: str, status: str) -> Judged:
    """Where times are not comparable, neither is that one took too long."""
    if status.startswith("timeout") and not pair.is_comparable:
        return Judged("not comparable", note=f"{word} {status}, in another environment")
    return Judged(verdict, note=f"{word} {status}")


def _exact(pair: Pair, threshold: float = 0.0, why: str = "") -> Judged:
    ratio = _ratio(pair)
    if pair.base.value == pair.new.value:
        return Judged("same", ratio)
    by = f"by {_difference(pair)}"  # 4.25 M and 4.25 M look the same
    if ratio is not None and 1 / (1 + threshold) <= ratio <= 1 + threshold:
        return Judged("same", ratio, note=f"{by}{why}")
    if pair.metric.better is None:
        return Judged("cannot tell", ratio, note=f"{by}; neither way is better")
    return Judged(_direction(pair.metric, _is_higher(pair)), ratio, note=by)


def _by_intervals(pair: Pair) -> Judged:
    """Accuracies differ when the interval of their difference excludes zero.

    One training says nothing of the next, but for whether anything was learnt. The interval is made
    of the two by the square-and-add rule (Newcombe 1998, Interval estimation for the difference
    between independent proportions, method 10).
    """
    base, new, ratio = pair.base, pair.new, _ratio(pair)
    sides_ranked = [base.is_ranked, new.is_ranked]
    if not any(sides_ranked):
        return Judged("cannot tell", ratio, note=_not_above_chance(base, new))
    # The intervals of shares cover seeds and images both, however few the seeds.
    if pair.metric.name not in SHARES and not _enough(pair):
        return _too_few(pair, ratio)  # their interval is a mere range
    if base.value is None or new.value is None or not (base.has_interval and new.has_interval):
        return Judged("cannot tell", ratio, note="no interval")
    gap = new.value - base.value
    low = gap - math.hypot(new.value - (new.low or 0.0), (base.high or 0.0) - base.value)
    high = gap + math.hypot((new.high or 0.0) - new.value, base.value - (base.low or 0.0))
    interval = (1 + low / base.value, 1 + high / base.value) if base.value else None
    note = "" if all(sides_ranked) else _not_above_chance(base, new)
    if low <= 0 <= high:
        return Judged("cannot tell", ratio, interval, note)
    if all(sides_ranked) and (base.is_one_draw or new.is_one_draw):
        return Judged("cannot tell", ratio, note="one training says nothing of the next")
    return Judged(_direction(pair.metric, low > 0), ratio, interval, note)


def _not_above_chance(base: Measured, new: Measured) -> str:
    """Which of the two accuracies is not above chance."""
    sides = [word for word, side in (("base", base), ("new", new)) if not side.is_ranked]
    return f"{statistics.NOT_ABOVE_CHANCE}: {' and '.join(sides)}"


def _tested(pair: Pair, test: statistics.Comparison, threshold: float) -> Judged:
    interval = (test.low, test.high)
    if test.verdict in ("higher", "lower"):
        verdict = _direction(pair.metric, test.verdict == "higher")
        return Judged(verdict, test.ratio, interval, f"p = {test.p_adjusted:.2g}")
    if test.verdict == "too few processes":
        return _too_few(pair, test.ratio, interval)
    if units.rounded(1 / (1 + threshold)) <= test.low and test.high <= 1 + threshold:
        return Judged("same", test.ratio, interval)
    return Judged("cannot tell", test.ratio, interval)


def _enough(pair: Pair) -> bool:
    fewest = min(len(pair.base.samples), len(pair.new.samples))
    return fewest >= FEWEST_PROCESSES


def _too_few(
    pair: Pair, ratio: float | None, interval: tuple[float, float] | None = None
) -> Judged:
    what = "seeds" if pair.metric.unit == "fraction" else "processes"
    counts = f"{len(pair.base.samples)} and {len(pair.new.samples)} {what}"
    note = f"{counts}, {FEWEST_PROCESSES} a side are needed"
    return Judged("cannot tell", ratio, interval, note)


def _samples(pair: Pair) -> tuple[Sequence[float], Sequence[float]]:
    """What is tested: sample ÷ reference where both sides timed one with each sample."""
    if pair.base.ratios and pair.new.ratios:
        return pair.base.ratios, pair.new.ratios
    sides = (pair.base, pair.new)
    base, new = ([sample for sample in side.samples if sample > 0] for side in sides)
    return base, new


def _ratio(pair: Pair) -> float | None:
    if pair.base.value is None or pair.new.value is None or not pair.base.value:
        return None
    return pair.new.value / pair.base.value


def _difference(pair: Pair) -> str:
    """``+1,000``, ``-12 B``: what is new less what was, in full."""
    by = (pair.new.value or 0.0) - (pair.base.value or 0.0)
    if pair.metric.unit in ("count", "bytes") and by.is_integer():
        return f"{by:+,.0f}" + (" B" if pair.metric.unit == "bytes" else "")
    return ("+" if by > 0 else "") + units.show(by, pair.metric.unit)


def _is_higher(pair: Pair) -> bool:
    return (pair.new.value or 0.0) > (pair.base.value or 0.0)


def _direction(metric: Metric, is_higher: bool) -> Verdict:
    return "better" if is_higher == (metric.better == "higher") else "worse"
