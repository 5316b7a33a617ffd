"""Values derived from the latencies of a report: tiers, FLOP/s, percentiles with intervals."""

from __future__ import annotations

import math

import pytest

from cnnbench.probes.latency.settings import LatencySetting
from cnnbench.report import layout
from cnnbench.results import tables
from cnnbench.results.report import Report
from tests.records import LITERT, Book, record

TIER = "latency_tier@cpu/litert/b1"


def test_networks_without_significant_difference_share_a_tier() -> None:
    book = Book(seed=3).latency("A", 0.010).latency("B", 0.0102).latency("C", 0.012)
    book.latency("D", 0.001, rounds=3).latency("E", 0.001, setting=LatencySetting(runtime="graph"))
    report = tables.report(book.records).set_index("model")
    assert dict(report[TIER].dropna()) == {"A": 1, "B": 1, "C": 2}, "three rounds have no tier"
    assert "latency_tier@cpu/graph/b1" not in report, "one alone has none either"


def test_achieved_flops_are_flops_per_image_times_throughput() -> None:
    rates = [
        record("A", "latency", n, throughput_per_s=rate) for n, rate in enumerate([90.0, 110.0])
    ]
    report = tables.report([record("A", "static", flops=5e6), *rates, record("B", "latency")])
    label = rates[0].setting["device"] + "/graph/b1"
    assert report.loc[0, f"achieved_flops_per_s@{label}"] == pytest.approx(500e6)
    low, high = (report.loc[0, f"achieved_flops_per_s_ci_{end}@{label}"] for end in ("low", "high"))
    assert (low, high) == (pytest.approx(450e6), pytest.approx(550e6))


def test_a_percentile_lies_in_its_interval_and_has_one_with_few_calls_a_process() -> None:
    """Ten calls a process, so that none has a p90 of its own; one of six was disturbed."""
    book = Book()
    for repeat in range(6):
        calls = [0.020 + 0.0001 * call + (0.006 if repeat == 5 else 0) for call in range(12)]
        found = {"latency_location_s": calls[0], "reference_s": 0.001}
        book.record("A", LITERT, repeat, found, samples={"latency_s": calls})
    row = tables.report(book.records).iloc[0]
    low, value, high = (
        row[f"latency_p90_s{end}@cpu/litert/b1"] for end in ("_ci_low", "", "_ci_high")
    )
    assert value > 0.026, "the disturbed process has the slowest twelve of 72 calls"
    assert low < 0.0212 < value <= high


def test_a_doubtful_number_is_never_the_best_and_nothing_that_it_beats_is() -> None:
    book = Book(seed=3).latency("A", 0.010).latency("B", 0.012)
    frame = tables.report(book.records)

    def best() -> list[str]:
        report = Report.of(frame)
        (column,) = layout.columns(report, ["latency_p50@cpu/litert/b1"])
        marked = zip((row.name for row in report), layout.cells(report, column), strict=True)
        return [model for model, cell in marked if cell.is_best]

    assert best() == ["A"]
    frame.loc[1, "latency_p50_s_verdict@cpu/litert/b1"] = "unstable: too noisy"
    assert best() == ["A"]
    frame.loc[0, "latency_p50_s_verdict@cpu/litert/b1"] = "unstable: too noisy"
    assert best() == []
    frame.loc[0, "latency_p50_s@cpu/litert/b1"] = math.nan
    assert best() == []
