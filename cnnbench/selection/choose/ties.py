"""Statistical ties with the best network, and the probability that another one is better."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cnnbench.metrics import Metric
from cnnbench.statistics import estimates
from cnnbench.statistics.drift_correction import logarithms
from cnnbench.statistics.measurement import Measurement, comparable
from cnnbench.statistics.robust import FEWEST_PROCESSES, Z
from cnnbench.statistics.verdict import VerdictKind

_SMALLEST_LOG = math.log1p(estimates.MINIMUM_EFFECT)


@dataclass(frozen=True)
class Tie:
    """Comparison of a candidate with the best.

    Attributes:
        tie_probability: probability that it is better, where the two are tied; else None.
        is_tested: whether the two have samples or intervals to test.
    """

    tie_probability: float | None = None
    is_tested: bool = True


def ties(
    best: Measurement,
    others: Sequence[Measurement],
    metric: Metric,
    smaller_is_better: bool,
    error: float = 1 - estimates.CONFIDENCE,
) -> list[Tie]:
    """Compare each of ``others`` with ``best``.

    Two measured numbers differ if a test, Holm-corrected over ``others``, shows that they differ by
    more than the minimum effect (fractions: at all). Counts differ if they are unequal. A number
    that a search stopped measuring is not tested again.
    """
    if metric.depends_on != "setting":
        return [Tie(0.5 if other.value == best.value else None) for other in others]
    tests = [
        None if other.was_left_out else _test(best, other, metric, smaller_is_better)
        for other in others
    ]
    adjusted = iter(estimates.holm([test[1] for test in tests if test is not None]))
    found: list[Tie] = []
    for other, test in zip(others, tests, strict=True):
        if other.was_left_out:
            found.append(Tie())
            continue
        if test is None:  # neither interval nor samples: only equality is a tie
            found.append(Tie(0.5 if other.value == best.value else None, is_tested=False))
            continue
        chance, _ = test
        is_worse = next(adjusted) < error and chance < 0.5
        found.append(Tie(None if is_worse else chance))
    return found


def _test(
    best: Measurement, other: Measurement, metric: Metric, smaller_is_better: bool
) -> tuple[float, float] | None:
    """Return the probability that the other is better, and p of a difference beyond the effect.

    None where the two numbers have neither samples nor intervals.
    """
    samples = _logs(best, other) if metric.unit != "fraction" else []
    if samples and all(len(logs) > 1 for logs in samples):
        difference, error, freedom = estimates.yuen(*samples)
        effect = _SMALLEST_LOG
    else:
        (base, new), errors = zip(*(_centre(one) for one in (best, other)), strict=True)
        difference, error, freedom = new - base, math.hypot(*errors), math.inf
        if math.isnan(error):
            return None
        effect = 0.0 if metric.unit == "fraction" else estimates.MINIMUM_EFFECT * abs(base)
    one_tail = float(estimates.t_test(difference, error, freedom)) / 2
    chance_smaller = one_tail if difference > 0 else 1 - one_tail
    p = float(estimates.t_test(difference, error, freedom, effect))
    if metric.unit == "fraction" and not all(
        _says_of_the_next(one, metric) for one in (best, other)
    ):
        p = 1.0
    return (chance_smaller if smaller_is_better else 1 - chance_smaller), p


def _says_of_the_next(one: Measurement, metric: Metric) -> bool:
    """Return whether an interval covers the result of another training.

    That of a single seed covers the choice of images only; the range of a few samples of anything
    but a quality over the test images is too narrow.
    """
    if metric.is_of_images:
        return one.verdict.kind is not VerdictKind.ONE_SEED
    return len(one.samples) >= FEWEST_PROCESSES


def _logs(*sides: Measurement) -> list[list[float]]:
    """Logarithms of the process samples; drift is taken out where both timed a reference."""
    samples = comparable(*sides)
    if min(min(some, default=0.0) for some in samples) <= 0:
        return []
    return [logarithms(some).tolist() for some in samples]


def _centre(one: Measurement) -> tuple[float, float]:
    """Value and standard error as the interval gives them; the error is NaN without one."""
    if one.value is None or one.low is None or one.high is None:
        return one.value or 0.0, math.nan
    return one.value, (one.high - one.low) / 2 / Z
