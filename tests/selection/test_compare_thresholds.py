"""Thresholds of a comparison, and facts whose change is accepted."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import cnnbench
from cnnbench.errors import UserError
from cnnbench.results import tables
from tests.records import FACTS, Book
from tests.selection.tables import compare_by_command, from_columns, only, timed


def test_accepted_facts_let_times_be_compared(tmp_path: Path) -> None:
    newer = {**FACTS, "libraries": {"tensorflow": "2.22.0"}, "kernel": "6.9"}
    base = tables.load(Book(seed=1).latency("A", 0.010).write(tmp_path / "base"))
    new = tables.load(Book(newer, seed=2).latency("A", 0.012).write(tmp_path / "new"))

    def verdict(*accept: str) -> str:
        found = cnnbench.compare(base, new, accept=accept, metrics=["latency_location"])
        assert found.comparable == (only(found).verdict != "another environment")
        return str(only(found).verdict)

    assert verdict() == verdict("kernel") == verdict("libraries") == "another environment"
    assert verdict("kernel", "libraries.tensorflow") == verdict("kernel", "libraries") == "worse"
    found = cnnbench.compare(base, new, accept=["kernel"])
    assert found.changes.environment == (
        "kernel: absent -> 6.9 (accepted)",
        "libraries.tensorflow: 2.21.0 -> 2.22.0",
    )
    done = compare_by_command(base.path, new.path, "--accept", "kernel", "--accept", "libraries")
    assert done.return_value == 1 and "1 regression" in done.stdout
    with pytest.raises(UserError, match=r"--accept kernal: unknown fact.*kernel"):
        cnnbench.compare(base, new, accept=["kernal"])
    with pytest.raises(UserError, match="does not record its environment"):
        cnnbench.compare(base, new.report, accept=["kernel"])


def test_a_metric_has_its_own_threshold() -> None:
    base = from_columns(model=["A"], macs=[1000], params=[1000])
    new = base.assign(macs=1009, params=1001)
    found = cnnbench.compare(base, new, thresholds={"macs": "1%"})
    assert {row.metric: row.verdict for row in found.rows} == {"macs": "same", "params": "worse"}
    assert found.to_json()["thresholds"] == {"macs": 0.01}

    sides = timed(0.010), timed(0.012)
    assert only(cnnbench.compare(*sides, thresholds={"latency": "30%"})).verdict == "same"
    assert only(cnnbench.compare(*sides, threshold="30%")).verdict == "same"
    found = cnnbench.compare(*sides, threshold="30%", thresholds={"latency_location": "5%"})
    assert only(found).verdict == "worse"


@pytest.mark.parametrize(
    ("threshold", "verdict"),
    [("0%", "worse"), ("1%", "worse"), ("2%", "not separated"), ("4%", "same")],
)
def test_the_threshold_of_an_accuracy_is_in_points(threshold: str, verdict: str) -> None:
    """0.90 ± 0.005 against 0.88 ± 0.005: the difference is -0.020 ± 0.007."""

    def side(value: float) -> pd.DataFrame:
        ends = {"": value, "_ci_low": value - 0.005, "_ci_high": value + 0.005}
        return from_columns(model=["A"], **{f"top1{end}@d/s": [cell] for end, cell in ends.items()})

    row = only(cnnbench.compare(side(0.90), side(0.88), thresholds={"top1": threshold}))
    assert row.verdict == verdict


def test_thresholds_on_the_command_line(tmp_path: Path) -> None:
    base, new = tmp_path / "base.csv", tmp_path / "new.csv"
    base.write_text("model,variant,macs\nA,float32,1000\n")
    new.write_text("model,variant,macs\nA,float32,1009\n")
    assert compare_by_command(base, new).return_value == 1
    assert compare_by_command(base, new, "--threshold", "1%").return_value == 1, (
        "times and memory only"
    )
    assert (
        compare_by_command(base, new, "--threshold", "2%", "--threshold", "macs=1%").return_value
        == 0
    )
    for wrong, words in (("macs=5ms", "no unit that fits"), ("mucs=5%", "no metric 'mucs'")):
        assert words in str(compare_by_command(base, new, "--threshold", wrong).exception)
