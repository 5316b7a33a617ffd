"""The line that says what the reference cancels."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from cnnbench.report import table
from cnnbench.report.remarks import drift
from cnnbench.results import tables
from cnnbench.results.report import Report
from tests.records import Book


def test_a_shared_drift_is_cancelled_and_the_report_says_so(tmp_path: Path) -> None:
    # `latency` gives every process a drift of 20 % that the reference shares, and noise of 1 %.
    book = Book().latency("Alpha", 0.01, rounds=40).latency("Beta", 0.02, rounds=40)
    run = tables.load(book.write(tmp_path / "run"))
    line, cost = drift(run.measured)
    plain, beside = (float(number) for number in re.findall(r"([\d.]+) %", line))
    assert 12 < plain < 28 and 0.6 < beside < 1.4
    assert "median of 2 cells" in line
    shown = table.as_markdown(run.measured, run.environment)
    assert cost.startswith("In 80 rounds, 0 s were spent waiting")
    assert line in shown and cost in shown


def test_outliers_do_not_widen_either_spread() -> None:
    # Two rounds on a machine that others slowed down: the reference shows it, and not all of it.
    times = ";".join(["0.0100", "0.0101", "0.0099"] * 3 + ["0.02", "0.02"])
    beside = ";".join(["0.001"] * 9 + ["0.0015", "0.0015"])
    columns = {"latency_location_s": 0.01, "latency_location_s_samples": times}
    report = pd.DataFrame(
        [
            {"model": "A", "variant": "float32", "reference_s_samples@cpu/litert/b1": beside}
            | {f"{name}@cpu/litert/b1": value for name, value in columns.items()}
        ]
    )
    (line,) = drift(Report.of(report))
    assert re.findall(r"([\d.]+) %", line) == ["1.5", "1.5"]  # 1.4826 × 1 %


def test_no_spread_is_told_of_too_few_processes(tmp_path: Path) -> None:
    run = tables.load(Book().latency("Alpha", 0.01, rounds=5).write(tmp_path / "run"))
    (cost,) = drift(run.measured)
    assert "spent waiting" in cost
