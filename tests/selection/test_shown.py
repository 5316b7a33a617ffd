"""Choices, comparisons and reports at a prompt and in a notebook."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import cnnbench
from cnnbench.results import tables
from cnnbench.results.tables import Run
from cnnbench.row import Row
from cnnbench.statistics.measurement import OK, CellStatus, Measurement, StatusKind
from cnnbench.statistics.verdict import STABLE
from tests.records import HOSTILE, Book


def hostile() -> Book:
    return Book().static(HOSTILE, macs=2e9)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    book = Book()
    for number in range(60):
        book.static(f"Net{number}", macs=1e6 * (number + 1), params=5.0)
    book.static(HOSTILE, macs=1e9, params=5.0)
    return tables.load(book.write(tmp_path_factory.mktemp("shown") / "run"))


def test_a_choice_and_a_comparison_print_as_on_the_command_line(run: Run) -> None:
    choice = cnnbench.choose(run, minimize="macs")
    assert str(choice) == repr(choice)
    assert str(choice).startswith("Winner: Net0, the lowest macs: 1 M\n")
    compared = cnnbench.compare(run, run)
    assert str(compared) == repr(compared)
    assert "No regression: " in str(compared)


def test_a_run_has_a_short_repr(run: Run) -> None:
    assert repr(run) == f"<Run {run.path}: <Report of 61 networks, 2 metrics>>"


@pytest.mark.parametrize(
    "made",
    [
        lambda run: run,
        lambda run: run.measured,
        lambda run: run.measured.rows[-1],
        lambda run: run.raw[-1],
        lambda run: cnnbench.choose(run, minimize="macs"),
        lambda run: cnnbench.compare(
            run, tables.measured(Book().static(HOSTILE, macs=2e9).records)
        ),
    ],
    ids=["run", "report", "row", "record", "choice", "comparison"],
)
def test_a_notebook_shows_a_small_escaped_table(run: Run, made: Callable[[Run], object]) -> None:
    html = made(run)._repr_html_()  # type: ignore[attr-defined]
    assert html.startswith("<table>") and html.endswith("</table>")
    assert html.count("<tr>") <= 52 and len(html) < 20_000
    assert set(re.findall(r"<(\w+)", html)) <= {"table", "caption", "tr", "th", "td"}


def test_rows_records_and_candidates_print_in_a_few_lines(run: Run) -> None:
    row, record = run.measured.rows[0], run.raw[0]
    assert str(row) == "Net0\n  params: 5\n  macs: 1 M"
    assert str(record) == "Net0 static 0: ok\n  macs: 1 M\n  params: 5"
    choice = cnnbench.choose(run, at_most={"macs": "1.5M"}, minimize="macs")
    assert str(choice.candidates[0]) == "Net0: fits"
    assert str(choice.candidates[1]) == ("Net1: excluded; macs is 2 M, 500,000 (33 %) over 1.50 M")
    assert [repr(one) for one in (row, record, choice.winner, row.get("macs"))] == [
        "<Row Net0: 2 metrics>",
        "<Record Net0 static 0: ok>",
        "<Candidate Net0: fits>",
        "<Measurement 1000000>",
    ]
    hidden = run.measured.rows[-1], run.raw[-1], choice.candidates[-1]
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", "".join(f"{one}{one!r}" for one in hidden))


def test_a_measurement_prints_its_interval_and_verdict_or_why_it_is_missing() -> None:
    found = Measurement(0.0039, OK, 0.0038, 0.0041, STABLE, (0.0039,) * 1000)
    assert str(found) == "0.0039 (0.0038 to 0.0041), stable"
    assert repr(found) == f"<Measurement {found}>"
    assert found.show("s") == "3.90 ms (3.80 ms to 4.10 ms)"
    failed = Measurement(status=CellStatus(StatusKind.FAILED, "no such luck"))
    assert (str(failed), failed.show("s")) == ("failed: no such luck", "")
    row = Row("A", "float32", values={"latency_p50_s@cpu": found, "macs": failed})
    assert str(row) == (
        "A\n  latency_p50_s@cpu: 3.90 ms (3.80 ms to 4.10 ms), stable\n  macs: failed: no such luck"
    )


def test_an_excess_of_many_times_the_limit_is_a_factor(tmp_path: Path) -> None:
    run = tables.load(Book().static("A", macs=1e9).static("B", macs=1e3).write(tmp_path / "run"))
    text = str(cnnbench.choose(run, at_most={"macs": "2k"}, minimize="macs"))
    assert "A: macs is 1 G, 500,000 times the limit of 2,000" in text
