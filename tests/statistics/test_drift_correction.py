"""Processes are excluded by the reference workload timed in the same round."""

from __future__ import annotations

import numpy as np
import pytest

from cnnbench.plugins import PROBES
from cnnbench.probes.latency.settings import LatencySetting
from cnnbench.statistics import drift_correction
from cnnbench.statistics import estimates as st
from cnnbench.statistics.verdict import STABLE
from tests.records import record

QUIET, SLOWED = 1.33e-3, 1.8e-3


def test_excludes_processes_with_a_slow_reference() -> None:
    seconds = [QUIET, 1.24 * QUIET, 1.26 * QUIET, QUIET, QUIET, QUIET, 1.1 * QUIET]
    assert (
        drift_correction.undisturbed(seconds)
        == drift_correction.counted(seconds)
        == [0, 1, 3, 4, 5, 6]
    )
    assert drift_correction.ratios([1, 2, 3, 4, 5, 6, 7], [1, 1, 2, 1, 1, 1, 1]) == (
        1,
        2,
        4,
        5,
        6,
        7,
    )


def test_keeps_all_processes_where_too_few_are_undisturbed() -> None:
    seconds = [QUIET] * 5 + [SLOWED] * 7
    assert drift_correction.undisturbed(seconds) == [0, 1, 2, 3, 4]
    assert drift_correction.counted(seconds) == list(range(12))


def test_multiplies_rates_by_the_reference() -> None:
    seconds = [2.0] + [1.0] * 6
    assert drift_correction.ratios([5.0] + [10.0] * 6, seconds, of_rate=True) == (10.0,) * 6


def test_returns_no_ratio_without_a_reference_for_each_sample() -> None:
    assert drift_correction.ratios([1.0, 2.0], [1.0]) == ()
    assert drift_correction.ratios([1.0, 2.0], [1.0, 0.0]) == ()
    assert drift_correction.ratios([], []) == ()


def test_estimates_from_undisturbed_processes() -> None:
    # The neighbour slows this network by 1.7, the reference by 1.35.
    locations = [0.010] * 7 + [0.017] * 5
    beside = [QUIET] * 7 + [SLOWED] * 5
    found = st.estimate(locations, beside)
    assert (found.value, found.low, found.high) == pytest.approx((0.010, 0.010, 0.010))


def test_converges_only_with_enough_undisturbed_rounds() -> None:
    beside = [QUIET] * 5 + [SLOWED]
    steady = st.Estimate(0.01, 0.0099, 0.0101)
    assert not st.converged([steady], beside, 0.05)
    assert st.converged([steady], [*beside, QUIET], 0.05)
    assert not st.converged([steady, st.Estimate(0.01, 0.009, 0.011)], [*beside, QUIET], 0.05)


def test_the_verdict_names_disturbed_rounds_that_had_to_count() -> None:
    locations, beside = [0.010] * 4 + [0.017] * 4, [QUIET] * 4 + [SLOWED] * 4
    words = str(st.verdict(st.estimate(locations, beside), beside, 0.05))
    assert words.startswith("unstable: too noisy: ±")
    assert words.endswith("; the machine was slowed down in 4 of 8 rounds")
    for beside in ([QUIET] * 8, [QUIET] * 7 + [SLOWED]):  # the slowed one does not count
        wild = st.estimate([0.01, 0.02] * 4, beside)
        assert "slowed" not in str(st.verdict(wild, beside, 0.05))


def test_a_busy_neighbour_neither_hides_nor_makes_a_difference() -> None:
    rng = np.random.default_rng(0)

    def cell(seconds: float) -> tuple[float, ...]:
        is_slowed = rng.random(12) < 0.3
        locations = seconds * np.where(is_slowed, 1.7, 1) * np.exp(rng.normal(0, 0.02, 12))
        beside = np.where(is_slowed, SLOWED, QUIET) * np.exp(rng.normal(0, 0.02, 12))
        return drift_correction.ratios(list(locations), list(beside))

    cells = [(cell(0.01), cell(0.01), cell(0.012)) for _ in range(300)]
    equal = [st.compare([(base, same)])[0].verdict for base, same, _ in cells]
    slower = [st.compare([(base, slow)])[0].verdict for base, _, slow in cells]
    assert equal.count("no difference") >= 0.95 * len(equal)
    assert slower.count("higher") >= 0.95 * len(slower)


def test_tables_use_the_valid_rounds_only() -> None:
    setting = LatencySetting(runtime="litert")
    rounds = [
        record(
            "Alpha",
            "latency",
            repeat=number,
            setting=setting.model_dump(mode="json"),
            samples={"latency_s": [seconds] * 70},
            details={"flags": flags},
            latency_location_s=seconds,
            latency_mean_s=seconds,
            latency_p50_s=seconds,
            reference_s=beside,
        )
        for number, (seconds, beside, flags) in enumerate(
            [(0.010, QUIET, [])] * 6 + [(0.017, SLOWED, ["drifting: +20%"])] * 4
        )
    ]
    found = PROBES["latency"].summarise(setting, rounds)
    for metric in ("latency_location_s", "latency_mean_s", "latency_p50_s", "latency_p90_s"):
        assert found[metric].value == pytest.approx(0.010), metric
        assert found[metric].verdict == STABLE, metric
        assert len(found[metric].samples) == 10, "a table keeps the samples of all"
    assert len(found["reference_s"].samples) == 10
