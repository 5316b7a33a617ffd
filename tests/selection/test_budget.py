"""Times compared with budgets: certainly over, certainly within, and uncertain."""

from __future__ import annotations

import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from cnnbench.errors import UserError
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
                    "litert: latency_p50 is 11 ms, within the budget of 15 ms, but its interval "
                    "reaches 16 ms",
                    False,
                )
            ],
        ),
        (
            report(0.014, 0.016, 0.017),
            [("litert: latency_p50 is 16 ms, over the budget of 15 ms by 6.67 %", False)],
        ),
        (
            report(0.016, 0.017, 0.018),
            [("litert: latency_p50 is 17 ms, over the budget of 15 ms by 13.3 %", True)],
        ),
        # The interval decides, where there is one, whatever single rounds were.
        (report(0.010, 0.016, 0.011, low=0.010, high=0.012), []),
        (
            report(0.010, 0.012, 0.011, low=0.009, high=0.0155),
            [
                (
                    "litert: latency_p50 is 11 ms, within the budget of 15 ms, but its interval "
                    "reaches 15.5 ms",
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


def test_budgets_are_read_in_base_units_by_kind() -> None:
    found = budget.limits(
        {
            "params": "4M",
            "activation_infer_peak": "20MB",
            "file": "6MB",
            "top1": "90%",
            "box_map50": 0.5,
            "latency_p50": {"litert": "15ms", "graph": "1s"},
        }
    )
    assert found.counts == {"params": 4e6, "activation_infer_peak_bytes": 20e6}
    assert found.measured == {"file_bytes": 6e6, "top1": 0.9, "box_map50": 0.5}
    assert found.times == {_P50: {"litert": 0.015, "graph": 1.0}}
    assert found.qualities == ["top1", "box_map50"]


@pytest.mark.parametrize(
    ("budgets", "words"),
    [
        ({"paramz": "4M"}, "no budget is known for 'paramz' (did you mean 'params'?)"),
        ({"top1": "90ms"}, "top1: '90ms' has no unit that fits"),
        ({"latency_p50": {}}, "latency_p50: no runtime has a limit"),
        ({"latency_p50": "15ms"}, "latency_p50: '15ms' is for no runtime"),
        ({"file": ""}, "file: '' is not a quantity"),
    ],
)
def test_a_wrong_budget_is_reported(budgets: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError) as caught:
        budget.limits(budgets)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"file_bytes": 6e6}, ["file is 13.8 MB, over the budget of 6 MB by 130 %"]),
        ({"file_bytes": 13.8e6, "top1@": 0.7}, []),
        (
            {"top1": 0.9},
            ["top1 is 71.2 %, under the budget of 90.0 % by 18.8 percentage points"],
        ),
        ({"box_map50": 0.5}, ["box_map50 has no value: not measured"]),
    ],
)
def test_a_number_of_the_variant_is_compared_with_its_budget(
    limits: dict[str, float], expected: list[str]
) -> None:
    column = "top1@digits/scratch/litert"
    rows = [
        {"model": "Net", "variant": "float32", "file_bytes": 40e6, column: 0.9},
        {"model": "Net", "variant": "ptq-int8", "file_bytes": 13.8e6, column: 0.712},
    ]
    found = Report.of(pd.DataFrame(rows))
    wanted = {name.removesuffix("@"): limit for name, limit in limits.items()}
    assert list(budget.broken_numbers(found, "Net", "ptq-int8", wanted)) == expected
