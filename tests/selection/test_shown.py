"""Choices, comparisons and reports at a prompt and in a notebook."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import cnnbench
from cnnbench.results import tables
from cnnbench.results.tables import Run
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


def test_a_run_is_shown_in_a_line(run: Run) -> None:
    assert repr(run) == f"<Run {run.path}: <Report of 61 networks, 2 metrics>>"


@pytest.mark.parametrize(
    "made",
    [
        lambda run: run,
        lambda run: run.measured,
        lambda run: cnnbench.choose(run, minimize="macs"),
        lambda run: cnnbench.compare(
            run, tables.measured(Book().static(HOSTILE, macs=2e9).records)
        ),
    ],
    ids=["run", "report", "choice", "comparison"],
)
def test_a_notebook_shows_a_small_escaped_table(run: Run, made: Callable[[Run], object]) -> None:
    html = made(run)._repr_html_()  # type: ignore[attr-defined]
    assert html.startswith("<table>") and html.endswith("</table>")
    assert html.count("<tr>") <= 52 and len(html) < 20_000
    assert set(re.findall(r"<(\w+)", html)) <= {"table", "caption", "tr", "th", "td"}


def test_an_excess_of_many_times_the_limit_is_a_factor(tmp_path: Path) -> None:
    run = tables.load(Book().static("A", macs=1e9).static("B", macs=1e3).write(tmp_path / "run"))
    text = str(cnnbench.choose(run, at_most={"macs": "2k"}, minimize="macs"))
    assert "A: macs is 1 G, 500,000 times the limit of 2,000" in text
