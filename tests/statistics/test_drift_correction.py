"""Times are divided by the reference of their round; disturbed rounds are excluded."""

from __future__ import annotations

import pytest

from cnnbench.plugins import PROBES
from cnnbench.probes.latency.settings import LatencySetting
from cnnbench.statistics import drift_correction
from cnnbench.statistics import estimates as st
from cnnbench.statistics.verdict import STABLE
from tests.records import record

QUIET, SLOWED = 1.33e-3, 1.8e-3


def test_divides_every_process_by_its_reference() -> None:
    assert drift_correction.ratios([1, 2, 3], [1, 4, 2]) == (1, 0.5, 1.5)


def test_multiplies_rates_by_the_reference() -> None:
    seconds = [2.0] + [1.0] * 6
    assert drift_correction.ratios([5.0] + [10.0] * 6, seconds, of_rate=True) == (10.0,) * 7


def test_returns_no_ratio_without_a_reference_for_each_sample() -> None:
    assert drift_correction.ratios([1.0, 2.0], [1.0]) == ()
    assert drift_correction.ratios([1.0, 2.0], [1.0, 0.0]) == ()
    assert drift_correction.ratios([], []) == ()


def test_converges_only_with_enough_undisturbed_rounds() -> None:
    steady = st.Estimate(0.01, 0.0099, 0.0101)
    assert not st.converged([steady], 5, 0.05)
    assert st.converged([steady], 6, 0.05)
    assert not st.converged([steady, st.Estimate(0.01, 0.009, 0.011)], 6, 0.05)


def test_the_verdict_names_disturbed_rounds_that_had_to_count() -> None:
    wild = st.estimate([0.010] * 4 + [0.017] * 4)
    words = str(st.verdict(wild, 8, 4, 0.05))
    assert words.startswith("unstable: too noisy: ±")
    assert words.endswith("; the machine was slowed down in 4 of 8 rounds")
    for undisturbed in (8, 7, 6):  # enough: the others do not count
        assert "slowed" not in str(st.verdict(wild, 8, undisturbed, 0.05))


@pytest.mark.parametrize("is_old", [True, False])
def test_tables_use_the_valid_rounds_only(is_old: bool) -> None:
    setting = LatencySetting(runtime="litert")
    rounds = [
        record(
            "Alpha",
            "latency",
            repeat=number,
            setting=setting.model_dump(mode="json"),
            samples={"latency_s": [seconds] * 70},
            details={"flags": flags} | ({} if is_old else {"is_disturbed": beside == SLOWED}),
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
        assert len(found[metric].samples) == 6, "a table keeps the samples that count"
    assert len(found["reference_s"].samples) == 6
    assert found["disturbed_rounds"].value == 4
