"""One interval for the number that is shown: in tables, in verdicts, and where rounds end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnbench.metrics import METRICS, split
from cnnbench.plugins import PROBES
from cnnbench.probes.latency import summary
from cnnbench.probes.latency.settings import LatencySetting
from cnnbench.probes.latency.summary import Rounds
from cnnbench.record import Record
from cnnbench.report import layout, table
from cnnbench.results import tables
from cnnbench.statistics.verdict import STABLE
from tests.records import record

SETTING = LatencySetting(runtime="litert")
PERCENTILES = [f"latency_p{q}_s" for q in (50, 90, 95, 99)]


def rounds(calls: Sequence[Sequence[float]], beside: Sequence[float] | None = None) -> list[Record]:
    """A record a round, its metrics made of its calls; ``beside`` is the reference in each."""
    return [
        record(
            "A",
            "latency",
            repeat=number,
            setting=SETTING.model_dump(mode="json"),
            samples={"latency_s": list(seconds)},
            details={"flags": [], "precision": 0.05},
            latency_location_s=float(np.mean(sorted(seconds)[: max(3, len(seconds) // 10)])),
            latency_mean_s=float(np.mean(seconds)),
            latency_p50_s=float(np.median(seconds)),
            throughput_per_s=1 / float(np.mean(seconds)),
            reference_s=reference,
        )
        for number, (seconds, reference) in enumerate(
            zip(calls, beside or [0.001] * len(calls), strict=True)
        )
    ]


def noisy(spread: float, seed: int = 0, tail: float = 0.05) -> list[list[float]]:
    """Eight rounds of 100 calls, ``spread`` between them and a tail within each."""
    rng = np.random.default_rng(seed)
    return [
        (0.01 * np.exp(rng.normal(0, spread) + rng.exponential(tail, 100))).tolist()
        for _ in range(8)
    ]


def test_shared_drift_is_corrected_to_the_median_reference() -> None:
    """Every call takes five references; the median reference is 2.5 ms."""
    beside = [0.0022, 0.0023, 0.0024, 0.0026, 0.0027, 0.0027]
    found = Rounds(rounds([[5 * one] * 20 for one in beside], beside)).estimates
    for metric in ("latency_location_s", "latency_mean_s", "latency_p50_s", "latency_p90_s"):
        one = found[metric]
        assert (one.value, one.low, one.high) == pytest.approx((0.0125,) * 3), metric
    rate = found["throughput_per_s"]
    assert (rate.value, rate.low, rate.high) == pytest.approx((80,) * 3)


@pytest.mark.parametrize("spread", [0.005, 0.03, 0.1])
@pytest.mark.parametrize("seed", range(5))
def test_interval_and_verdict_of_a_cell_agree(spread: float, seed: int) -> None:
    report = tables.measured(rounds(noisy(spread, seed)))
    (row,) = report
    timed = [name for name in report.numbers if split(name)[0].startswith(("latency_", "through"))]
    shown = [name for name in timed if row.read(name).value is not None]
    assert len(shown) >= 5
    for name in shown:
        found = row.read(name)
        assert found.value is not None and found.low is not None and found.high is not None
        half = (found.high - found.low) / 2 / found.value
        assert found.low <= found.value <= found.high
        assert found.is_doubtful == (half > 0.05), name
        text = table.as_text(report, {}, 200, [name])
        assert f"± {half:.1%}"[:-1] + " %" in text
        assert (f"too noisy: ±{100 * half:.1f} % after 8 rounds, ±5.0 % requested" in text) == (
            half > 0.05
        )


def test_rounds_end_when_the_displayed_intervals_are_narrow() -> None:
    shown = {name for name in layout.groups()["Latency"] if METRICS[name].unit == "s"}
    assert shown == set(summary.DECIDING)
    for spread in (0.01, 0.04, 0.06, 0.1):
        for seed in range(10):
            records = rounds(noisy(spread, seed))
            summaries = PROBES["latency"].summarise(SETTING, records)
            is_stable = all(summaries[name].verdict == STABLE for name in shown)
            assert Rounds(records).is_narrow(0.05) == is_stable


def test_rounds_continue_while_the_median_is_imprecise() -> None:
    """The fastest calls take 10 ms in every round, the others 12 or 18 ms."""
    records = rounds([[0.010] * 5 + [slow] * 45 for slow in (0.012, 0.018) * 4])
    found = PROBES["latency"].summarise(SETTING, records)
    assert found["latency_location_s"].verdict == STABLE
    assert str(found["latency_p50_s"].verdict).startswith("unstable: too noisy: ±")
    assert not Rounds(records).is_narrow(0.05)


def test_interval_ends_keep_the_order_of_percentiles() -> None:
    """By itself a p90 that scatters between rounds would begin at 0.51 s, the p50 at 1.10 s."""
    tails = (1.2, 4.8, 1.3, 4.2, 1.25, 4.6, 1.4, 4.4)
    calls = [[1.0 + 0.002 * i for i in range(80)] + [tail] * 20 for tail in tails]
    found = Rounds(rounds(calls)).estimates
    p50, p90 = found["latency_p50_s"], found["latency_p90_s"]
    alone = summary._estimate(tails, rounds(calls), "latency_p90_s")
    assert alone.low < p50.low == p90.low
    assert p50.high < p90.high == alone.high


@settings(deadline=None)
@given(
    st.lists(st.lists(st.floats(1e-6, 1e3), min_size=11, max_size=130), min_size=1, max_size=9),
    st.data(),
)
def test_percentiles_are_ordered_for_any_calls(
    calls: list[list[float]], data: st.DataObject
) -> None:
    beside = data.draw(st.lists(st.floats(1e-4, 1e-2), min_size=len(calls), max_size=len(calls)))
    found = Rounds(rounds(calls, beside)).estimates
    known = [found[metric] for metric in PERCENTILES if metric in found]
    assert known
    for one in known:
        assert one.low <= one.value <= one.high
    for lower, higher in pairwise(known):
        assert lower.value <= higher.value
        assert lower.low <= higher.low and lower.high <= higher.high


def test_one_round_has_no_interval() -> None:
    found = PROBES["latency"].summarise(SETTING, rounds([[0.01] * 70]))
    for metric in ("latency_location_s", "latency_p50_s", "latency_p90_s"):
        one = found[metric]
        assert one.value == pytest.approx(0.01)
        assert (one.low, one.high) == (None, None)
        assert str(one.verdict) == "unstable: 1 of at least 6 processes"


def test_missing_percentile_states_the_calls_needed() -> None:
    found = PROBES["latency"].summarise(SETTING, rounds([[0.01] * 10] * 6))
    assert found["latency_p50_s"].value == pytest.approx(0.01)
    assert found["latency_p90_s"].value is None
    assert str(found["latency_p90_s"].status) == "4 more calls needed for p90"


def test_the_tail_is_estimated_on_request() -> None:
    usual = rounds([[0.01] * 1200] * 6)
    assert "latency_p999_s" not in PROBES["latency"].summarise(SETTING, usual)
    asked = SETTING.model_copy(update={"tail": "p99.9"})
    wanted = [replace(one, setting=asked.model_dump(mode="json")) for one in usual]
    assert PROBES["latency"].summarise(asked, wanted)["latency_p999_s"].value is not None
    few = PROBES["latency"].summarise(asked, wanted[:5])["latency_p999_s"]
    assert str(few.status) == "636 more calls needed for p99.9"


def test_times_are_divided_only_if_every_round_has_a_reference() -> None:
    slowing = [0.001 * (1 + 0.02 * number) for number in range(8)]
    records = rounds([[10 * one] * 20 for one in slowing], slowing)
    assert Rounds(records).estimates["latency_p50_s"].precision == pytest.approx(0)
    known = {name: value for name, value in records[3].metrics.items() if name != "reference_s"}
    mixed = [*records[:3], replace(records[3], metrics=known), *records[4:]]
    assert Rounds(mixed).estimates["latency_p50_s"].precision > 0.03
    (row,) = tables.measured(mixed)
    found = row.read("latency_p50_s@cpu/litert/b1")
    assert len(found.samples) == 8 and found.ratios == ()


def test_the_cost_of_quiet_is_a_sum_over_all_rounds() -> None:
    records = [
        replace(
            one,
            metrics=one.metrics | {"waited_s": 1.5, "left_out_s": 0.25},
            details=one.details | {"is_disturbed": number < 2},
        )
        for number, one in enumerate(rounds([[0.01] * 20] * 8))
    ]
    found = PROBES["latency"].summarise(SETTING, records)
    assert found["waited_s"].value == 12 and found["left_out_s"].value == 2
    assert found["disturbed_rounds"].value == 2
    assert len(found["latency_p50_s"].samples) == 6
    text = table.as_text(tables.measured(records), {}, 400)
    assert (
        "In 8 rounds, 12 s were spent waiting until the machine was quiet, and calls of 2 s beside "
        "a disturbed reference were left out" in " ".join(text.split())
    )
    assert "2 rounds did not find the machine quiet for long enough" in " ".join(text.split())


def test_percentile_intervals_cover_the_true_value() -> None:
    """Rounds differ by 3 %, calls within one by 10 % upwards: 95 % intervals, at least 91 %."""
    rng = np.random.default_rng(11)
    everything = rng.normal(0, 0.03, 400_000) + rng.exponential(0.1, 400_000)
    covered = {"latency_p50_s": 0, "latency_p90_s": 0}
    truth = {"latency_p50_s": 50, "latency_p90_s": 90}
    for _ in range(400):
        logs = rng.normal(0, 0.03, (8, 1)) + rng.exponential(0.1, (8, 100))
        found = Rounds(rounds(np.exp(logs).tolist())).estimates
        for metric, q in truth.items():
            low, high = found[metric].low, found[metric].high
            covered[metric] += low <= math.exp(np.percentile(everything, q)) <= high
    assert all(count >= 0.91 * 400 for count in covered.values()), covered
