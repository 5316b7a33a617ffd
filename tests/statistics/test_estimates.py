"""Estimates, intervals and verdicts on samples whose true value is known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from cnnbench.statistics import estimates as st
from cnnbench.statistics import robust
from tests.statistics.noise import NOISES, TRIALS


def verdict(samples: list[float], references: list[float], *rest: Any, **named: Any) -> str:
    return str(st.verdict(st.estimate(samples, references), references, *rest, **named))


@pytest.mark.parametrize(
    "samples",
    [
        [1e-300, 1e-200, 1e-100, 1e100, 1e200, 1e300],
        [1e308] * 3 + [5e-324] * 3,
        [float("inf"), 1.0, 1.0, 1.0, 1.0, 1.0],
    ],
)
def test_results_are_finite_for_extreme_samples(samples: list[float]) -> None:
    ones = [1.0] * 6
    for estimate in (
        st.estimate(samples),
        st.estimate(samples[:2]),
        st.estimate(samples, ones),
        st.estimate(ones, samples),
        st.estimate(samples, samples[::-1]),
    ):
        assert all(1e-300 <= x <= 1e300 for x in (estimate.low, estimate.value, estimate.high))
        assert estimate.low <= estimate.value <= estimate.high
        assert estimate.precision >= 0
    assert verdict(samples, ones, 0.05)
    assert st.tiers([samples, ones])
    for base, new in ((samples, ones), (ones, samples), (samples, samples), (samples[:2], ones)):
        (found,) = st.compare([(base, new)])
        assert all(math.isfinite(x) and x > 0 for x in (found.ratio, found.low, found.high))


def test_trimmed_mean_by_hand() -> None:
    # n = 6, g = floor(1.5) = 1: kept 2, 3, 4, 6, mean 15 / 4; winsorised 2 2 3 4 6 6, mean 23 / 6
    # squares: 2 * (11/6)² + (5/6)² + (1/6)² + 2 * (13/6)² = (242 + 25 + 1 + 338) / 36 = 606 / 36
    centre, error, freedom = robust.trimmed([1, 2, 3, 4, 6, 100])
    assert centre == 15 / 4
    assert error == pytest.approx(math.sqrt(606 / 36 / (4 * 3)))
    assert freedom == 3


def test_an_estimate_cancels_drift_that_the_reference_shares() -> None:
    drift = np.array([1.0, 1.1, 1.2, 1.3, 1.4, 1.5])
    found = st.estimate(0.01 * drift, 0.002 * drift)
    # every ratio is 5; the median reference is 0.002 * 1.25
    assert found.value == pytest.approx(5 * 0.0025)
    assert found.low == pytest.approx(found.high) == pytest.approx(found.value)
    assert st.estimate(0.01 * drift).precision > 0.1


def test_few_processes_give_a_range_and_an_unstable_verdict() -> None:
    found = st.estimate([0.010, 0.012, 0.011])
    assert (found.low, found.high) == pytest.approx((0.010, 0.012))
    assert verdict([0.01] * 3, [0.01] * 3) == "unstable: 3 of at least 6 processes"
    assert verdict([0.01], [0.01]) == "unstable: 1 of at least 6 processes"
    assert not st.converged([st.estimate([0.01] * 5)], [0.01] * 5, 0.05)


def test_no_samples_and_unpaired_references_are_errors() -> None:
    with pytest.raises(ValueError, match="no samples"):
        st.estimate([])
    with pytest.raises(ValueError, match="6 samples and 5 references"):
        st.estimate([1.0] * 6, [1.0] * 5)


def test_a_verdict_lists_every_reason() -> None:
    steady = [0.0100, 0.0101, 0.0099, 0.0100, 0.0101, 0.0100]
    assert verdict(steady, [0.003] * 6, 0.05) == "stable"
    wild = [0.01, 0.02, 0.01, 0.02, 0.01, 0.02]
    words = verdict(wild, [0.003] * 6, 0.05)
    assert words.startswith("unstable: too noisy: ±") and "±5.0 % requested" in words
    flags = [["drifting: +14%"], ["drifting: -20%"], ["drifting: +12%"], [], [], []]
    assert verdict(steady, [0.003] * 6, 0.05, flags) == "unstable: drifting in 3 of 6 rounds"
    assert verdict(steady, [0.003] * 6, 0.05, capped="3 min") == "stable"  # enough all the same
    assert verdict(wild, [0.003] * 6, 0.05, capped="3 min").endswith(
        "; stopped at the limit of 3 min per cell"
    )


def test_a_flag_counts_only_in_over_a_third_of_the_rounds() -> None:
    busy = "another process used the CPU (0.40 cores)"
    assert st.concerns([[busy], [busy], [], [], [], []]) == []
    assert st.concerns([[busy]] * 3 + [[]] * 3) == ["another process used the CPU in 3 of 6 rounds"]


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("processes", [6, 9, 12])
def test_intervals_cover_the_true_value(noise: object, processes: int) -> None:
    """95 % intervals contain the trimmed mean of the population at least 91 % of the time."""
    rng = np.random.default_rng(processes)
    truth = float(np.median(robust.trimmed(noise(rng, 400, 1000))[0]))  # type: ignore[operator]
    centre, error, freedom = robust.trimmed(noise(rng, TRIALS, processes))  # type: ignore[operator]
    covered = np.abs(centre - truth) <= robust.t_quantile(freedom) * error
    assert covered.mean() >= 0.91


@pytest.mark.parametrize("spread", [0.01, 0.03, 0.05, 0.08, 0.12])
def test_intervals_cover_the_true_value_under_early_stopping(spread: float) -> None:
    """A cell ends after the first of 6 to 12 rounds with ±5 %, which favours narrow samples.

    Coverage is 0.90 at the worst spread, and 0.95 where six rounds suffice.
    """
    rng = np.random.default_rng(4)
    logs = spread * rng.standard_normal((TRIALS, 12))
    is_open, covered = np.ones(TRIALS, bool), np.zeros(TRIALS, bool)
    for rounds in range(robust.FEWEST_PROCESSES, 13):
        centre, error, freedom = robust.trimmed(logs[:, :rounds])
        half = robust.t_quantile(freedom) * error
        ends = is_open & ((np.sinh(half) <= 0.05) | (rounds == 12))
        covered[ends], is_open[ends] = (np.abs(centre) <= half)[ends], False
    assert covered.mean() >= 0.89


@pytest.mark.parametrize("count", [1, 3, 6, 7, 10, 12, 100])
@pytest.mark.parametrize("value", [0.1, 1 / 3, 0.7, -math.pi])
def test_the_trimmed_mean_of_equal_values_is_exact(value: float, count: int) -> None:
    assert robust.trimmed([value] * count)[:2] == (value, 0)
    assert (robust.trimmed([[value] * count] * 2)[0] == value).all()
