"""Networks under load in reports: estimates over the rounds, the section, the chart, the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cnnbench import plots
from cnnbench.metrics import column
from cnnbench.probes.load import PROBE, summary
from cnnbench.probes.load.settings import LoadSetting
from cnnbench.record import Record
from cnnbench.report.sections import load as section
from cnnbench.results import tables
from cnnbench.results.tables import Run
from cnnbench.statistics.measurement import Measurement
from tests.records import HOSTILE, record

SERVER = {"scenario": "server", "bound": 0.05, "percentile": 99, "runtime": "litert", "streams": 2}
OFFLINE = {"scenario": "offline", "batch_size": 8, "runtime": "litert"}
MANY = {"scenario": "multi_stream", "runtime": "onnxruntime", "streams": 2, "threads": 4}


def trial(rate: float, seconds: float | None, holds: bool = True) -> dict[str, Any]:
    middle = None if seconds is None else seconds / 2
    return {"rate": rate, "p50_s": middle, "quantile_s": seconds, "holds": holds, "is_quiet": True}


def server_rounds(
    *rates: float, model: str = "A", failed: float = 1.01, **details: Any
) -> list[Record]:
    """Return a round of each rate; 0 is a round in which the bound held at none."""
    found = []
    for repeat, rate in enumerate(rates):
        metrics = {"load_qps": rate, "load_generator_ratio": 0.999} if rate else {}
        trials = [trial(rate / 2, 0.01), trial(rate, 0.04), trial(2 * rate, None, False)]
        facts = {"flags": [], "trials": trials, "precision": 0.05, "is_disturbed": False} | details
        samples = {"failed_qps": [failed * rate or 1.0]}
        found.append(
            record(model, "load", repeat, setting=SERVER, samples=samples, details=facts,
                   reference_s=0.001, waited_s=0.0, left_out_s=0.5, **metrics)
        )  # fmt: skip
    return found


def rate_of(records: list[Record]) -> Measurement:
    return PROBE.summarise(LoadSetting.model_validate(SERVER), records)["load_qps"]


def run_of(records: list[Record]) -> Run:
    return Run(Path("run"), tables.measured(records), records)


def offline(model: str = "A") -> list[Record]:
    return [
        record(model, "load", repeat, setting=OFFLINE, details={"precision": 0.05},
               reference_s=0.001, load_qps=4000.0)
        for repeat in range(6)
    ]  # fmt: skip


def many() -> list[Record]:
    seconds = [0.002] * 990 + [0.006] * 10
    return [
        record("A", "load", repeat, setting=MANY, samples={"query_s": seconds},
               details={"precision": 0.05}, load_location_s=0.002, load_p50_s=0.002)
        for repeat in range(6)
    ]  # fmt: skip


def test_the_rate_is_that_of_the_rounds_and_its_interval_reaches_to_the_failures() -> None:
    found = rate_of(server_rounds(*[100.0] * 6, failed=1.01))
    assert found.value == pytest.approx(100) and found.low == pytest.approx(100)
    assert found.high == pytest.approx(101)
    assert str(found.verdict) == "stable" and found.samples == pytest.approx([100] * 6)
    scattered = rate_of(server_rounds(90, 95, 100, 100, 105, 110))
    # The mean of the middle four in logarithms.
    assert scattered.value == pytest.approx((95 * 100 * 100 * 105) ** 0.25, rel=1e-3)
    assert scattered.low is not None and 90 < scattered.low < 99
    assert "too noisy" in str(scattered.verdict)


def test_rates_are_divided_by_the_reference_timed_with_them() -> None:
    slow = server_rounds(100.0, 100.0, 100.0, 50.0, 50.0, 50.0)
    for one in slow[3:]:
        one.metrics["reference_s"] = 0.002
    found = rate_of(slow)
    # All rounds are of one speed, at the median reference of 1.5 ms.
    assert found.value == pytest.approx(100 / 1.5, rel=1e-6)
    assert "stable" in str(found.verdict)
    assert summary.are_precise(slow, 0.05) and not summary.are_precise(slow[:5], 0.05)


def test_rounds_without_a_rate_are_said() -> None:
    none = rate_of(server_rounds(0.0, 0.0, 0.0, 100.0))
    assert none.value is None
    assert str(none.status) == "p99 is over 50ms at every rate tried"
    disturbed = rate_of(server_rounds(0.0, 0.0, is_disturbed=True))
    assert str(disturbed.status).endswith("(the machine was slowed down in 2 of 2 rounds)")
    some = rate_of(server_rounds(100.0, 100.0, 100.0, 0.0))
    assert some.value == pytest.approx(100)
    assert "the bound held at no rate in 1 of 4 rounds" in str(some.verdict)


def test_a_lagging_generator_makes_the_rate_doubtful() -> None:
    flags = ["the load generator lagged: 97.3% of twice the rate"]
    found = rate_of(server_rounds(*[100.0] * 6, flags=flags))
    assert found.is_doubtful
    assert "the load generator lagged in 6 of 6 rounds" in str(found.verdict)


def test_latencies_of_several_streams_are_percentiles_of_all_queries() -> None:
    found = PROBE.summarise(LoadSetting.model_validate(MANY), many())
    assert found["load_p50_s"].value == found["load_p95_s"].value == pytest.approx(0.002)
    assert found["load_p99_s"].value == pytest.approx(0.00204, rel=1e-3)  # between 2 and 6 ms
    assert "load_qps" not in found
    assert PROBE.summarise(LoadSetting.model_validate(MANY), many())["load_p99_s"].verdict.is_known


def test_the_section_has_a_table_for_each_scenario() -> None:
    found = section.section(run_of([*offline(), *server_rounds(*[100.0] * 6), *many()]))
    assert found is not None
    first, second, third = found.blocks
    assert (first.title, second.title, third.title) == (
        "Offline", "Server, p99 ≤ 50ms", "Multi-stream",
    )  # fmt: skip
    assert first.rows[0][:4] == ("A", "litert", "1", "8")
    assert first.rows[0][4].startswith("4,000 /s")
    assert second.rows == (("A", "litert", "2", "100 /s (100 /s to 101 /s)", "99.9 %"),)
    assert third.rows[0][:4] == ("A", "onnxruntime, t4", "2", "2 ms")
    failed = record("A", "load", setting=SERVER, status="failed", reason="no file")
    rows = section.section(run_of([failed])).blocks[0].rows  # type: ignore[union-attr]
    assert rows == (("A", "litert", "2", "failed", ""),)
    assert section.section(run_of([record("A", "static", macs=5.0)])) is None


def test_columns_are_named_by_bound_and_setting() -> None:
    row = run_of([*offline(), *server_rounds(*[100.0] * 6)]).measured.rows[0]
    label = "p99=50ms/cpu/litert/b1/s2"
    found = row.get(column("load_qps", label))
    assert found.value == pytest.approx(100)
    assert found.is_rate and found.references == pytest.approx([0.001] * 6)
    assert row.get("load_qps@offline/cpu/litert/b8/s1").value == pytest.approx(4000)


def test_the_chart_pools_rounds_and_puts_failures_at_the_bound() -> None:
    run = run_of([*server_rounds(100.0, 102.0, 110.0), *server_rounds(50.0, model=HOSTILE)])
    chart = plots.over_rate(run)
    rows = [one for one in chart.to_dict()["data"]["values"] if one["network"] == "A"]
    held = [
        (one["rate"], one["value"]) for one in rows if one["what"] == "p99" and not one["is_over"]
    ]
    # 50 and 51, 55, 100 and 102, 110: rates within 3 % are one point.
    assert held == [(50.5, 0.01), (55, 0.01), (101, 0.04), (110, 0.04)]
    over = [(one["rate"], one["value"]) for one in rows if one["is_over"]]
    assert over == [(202, 0.05), (220, 0.05)]
    assert {one["value"] for one in rows if one["what"] == "median"} == {0.005, 0.02}
    drawn = plots.svg(chart)
    assert "A, 101 /s: 40 ms" in drawn and "A, 202 /s: p99 over 50 ms" in drawn
    with pytest.raises(plots.NothingToDraw, match="no record"):
        plots.over_rate(run_of(offline()))


@pytest.mark.parametrize(
    "edited", [[{"rate": "x"}], [trial(1.0, 0.1) | {"more": 1}], {"rate": 1}, [[]], None]
)
def test_edited_trials_are_refused(edited: Any) -> None:
    assert not summary.are_trials(edited)
    assert summary.are_trials([trial(1.0, None, False)]) and summary.are_trials([])
