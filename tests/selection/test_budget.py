"""Times compared with budgets: certainly over, certainly within, and uncertain."""

from __future__ import annotations

import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from cnnbench.execution import runner, side_by_side
from cnnbench.pytest_plugin import Budget, checks
from cnnbench.pytest_plugin.network import tell_apart
from cnnbench.results.report import Report
from cnnbench.selection import budget
from cnnbench.selection.baseline import Baseline
from cnnbench.statistics.estimates import Estimate
from cnnbench.suite.plan import Plan
from tests.records import record

_P50 = "latency_p50_s"


def report(*samples: float, low: float | None = None, high: float | None = None) -> Report:
    label = "cpu/litert/b1"
    row: dict[str, Any] = {
        "model": "Net",
        "variant": "float32",
        f"{_P50}@{label}": sorted(samples)[len(samples) // 2],
        f"{_P50}_status@{label}": "ok",
        f"{_P50}_samples@{label}": ";".join(map(str, samples)),
    }
    if low is not None:
        row |= {f"{_P50}_ci_low@{label}": low, f"{_P50}_ci_high@{label}": high}
    return Report.of(pd.DataFrame([row]))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (report(0.010, 0.012, 0.011), []),
        (
            report(0.010, 0.016, 0.011),
            [
                (
                    "litert: latency_p50_s is 11 ms, within 15 ms, but its interval reaches 16 ms",
                    False,
                )
            ],
        ),
        (report(0.014, 0.016, 0.017), [("litert: latency_p50_s is 16 ms, 1.00 ms", False)]),
        (report(0.016, 0.017, 0.018), [("litert: latency_p50_s is 17 ms, 2.00 ms", True)]),
        # The interval decides, where there is one, whatever single rounds were.
        (report(0.010, 0.016, 0.011, low=0.010, high=0.012), []),
        (
            report(0.010, 0.012, 0.011, low=0.009, high=0.0155),
            [
                (
                    "litert: latency_p50_s is 11 ms, within 15 ms, but its interval reaches 15.5 ",
                    False,
                )
            ],
        ),
    ],
)
def test_a_time_is_certainly_over_possibly_over_or_within_its_budget(
    found: Report, expected: list[tuple[str, bool]]
) -> None:
    told = list(budget.broken_times(found, "Net", _P50, {"litert": 0.015}))
    assert [is_sure for _, is_sure in told] == [is_sure for _, is_sure in expected]
    for (words, _), (start, _) in zip(told, expected, strict=True):
        assert words.startswith(start)


def test_an_uncertain_time_budget_is_a_warning() -> None:
    found = report(0.010, 0.012, 0.011, low=0.009, high=0.0155)
    with pytest.warns(UserWarning, match=r"Net: litert: .* reaches 15.5 ms \(uncertain\)"):
        late = budget.broken_times(found, "Net", _P50, {"litert": 0.015})
        assert list(checks._certain("Net", late)) == []


def test_an_uncertain_ratio_budget_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "ratio", lambda *_: Estimate(1.2, 1.1, 1.4))

    def slower(limit: float) -> list[str]:
        found = budget.broken_ratio(report(1.0), "Net", "Other", ["litert"], limit)
        return list(checks._certain("Net", found))

    with pytest.warns(UserWarning, match=r"1.20 times .* \(1.10 to 1.40\); the limit is 1.3 times"):
        assert slower(1.3) == []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(slower(1.0)) == 1
        assert slower(1.5) == []


def test_a_waiting_budget_names_the_process_it_waits_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(
        plan: Plan, cells: Any, out: Path, observer: runner.Observer, **options: Any
    ) -> runner.RunResult:
        assert options["wait"]
        observer.waits("mobile (process 7)")
        return runner.RunResult(out, ())

    monkeypatch.setattr(runner, "run", run)
    network: Any = SimpleNamespace(text="LeNet5", recorded_as="LeNet5", is_keras_2=False)
    held = Budget(tmp_path, (), Baseline(None, False), [])
    with pytest.warns(UserWarning, match=r"cnn_budget: waiting for mobile \(process 7\)"):
        assert held._timed([network], ["eager"], 1) == []


def test_times_of_a_reference_of_the_same_name_get_its_new_label(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live: Any = SimpleNamespace(
        text="x/LeNet5.keras", label="LeNet5", recorded_as="LeNet5.keras", is_keras_2=False
    )
    named: Any = SimpleNamespace(
        text="LeNet5", label="LeNet5", recorded_as="LeNet5", is_keras_2=False
    )
    tell_apart([live, named])
    for network in (live, named):
        network.identity = {"model": network.label}
    records = tuple(record(name, "latency") for name in ("LeNet5.keras", "LeNet5"))
    monkeypatch.setattr(side_by_side, "timed", lambda *_, **__: records)
    held = Budget(tmp_path, (), Baseline(None, False), [])
    found = held._timed([live, named], ["litert"], 1)
    assert [one.model for one in found] == ["LeNet5", "LeNet5 (reference)"]
