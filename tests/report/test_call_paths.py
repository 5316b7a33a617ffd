"""Ranks by runtime, their correlations and changes, computed by hand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cnnbench.errors import UserError
from cnnbench.probes.latency.settings import LatencySetting
from cnnbench.report import files
from cnnbench.report.sections import NEEDS, call_paths
from cnnbench.report.sections.section import Section
from cnnbench.results import tables
from cnnbench.results.report import Report
from tests.records import LITERT, Book

GRAPH, LARGE = LatencySetting(runtime="graph"), LatencySetting(runtime="graph", batch_size=32)
# Far enough apart for the drift of the made processes, which is 20 %.
MS = {"A": (1, 5), "B": (2, 10), "C": (4, 20), "D": (8, 40), "E": (16, 80), "F": (60, 2)}


def report(names: str = "ABCDEF", batches: bool = False) -> Report:
    book = Book()
    for name in names:
        litert, graph = MS[name]
        book.static(name, macs=5)
        book.latency(name, litert / 1000, setting=LITERT, noise=0.001)
        book.latency(name, graph / 1000, setting=GRAPH, noise=0.001)
        if batches and name != "F":
            book.latency(name, graph / 50, setting=LARGE, noise=0.001)
    return tables.measured(book.records)


def section(table: Report) -> Section:
    found = call_paths.section(table)
    assert found is not None
    return found


def test_places_and_the_cost_of_the_wrong_path() -> None:
    times, correlation = section(report()).blocks
    assert times.heads == ("Model", "cpu/litert/b1", "cpu/graph/b1", "Slowest ÷ fastest")
    rows = {row[0]: row[1:] for row in times.rows}
    places = {name: [int(p) for p in re.findall(r"\((\d)\)", " ".join(rows[name]))] for name in MS}
    assert places == {"A": [1, 2], "B": [2, 3], "C": [3, 4], "D": [4, 5], "E": [5, 6], "F": [6, 1]}
    assert float(rows["A"][-1]) == pytest.approx(5, rel=0.3)
    assert float(rows["F"][-1]) == pytest.approx(30, rel=0.3)
    # d = 1 five times and 5 once: 1 - 6 * 30 / (6 * 35).
    ((pair, count, rho, interval),) = correlation.rows
    assert (pair, count, rho) == ("cpu/litert/b1 and cpu/graph/b1", "6", "0.14")
    low, high = (float(end) for end in interval.split(" to "))
    assert -1 < low < 0.14 < high < 1


def test_what_moves_is_named() -> None:
    spread, *moved = section(report()).notes
    assert "the fastest runtime is cpu/litert/b1 for 5, cpu/graph/b1 for 1" in spread
    least, most, middle = (float(word) for word in re.findall(r"\d+\.\d", spread))
    assert 3.5 < least <= middle < 7 and 20 < most < 40
    assert moved == ["F: rank 1 of 6 in cpu/graph/b1, 6 in cpu/litert/b1."]


def test_other_batch_sizes_are_correlated_and_never_put_in_one_order() -> None:
    times, correlation = section(report(batches=True)).blocks
    assert "b32" not in " ".join(times.heads)
    assert {row[0]: row[1:3] for row in correlation.rows} == {
        "cpu/litert/b1 and cpu/graph/b1": ("6", "0.14"),
        "cpu/litert/b1 and cpu/graph/b32": ("5", "1.00"),
        "cpu/graph/b1 and cpu/graph/b32": ("5", "1.00"),
    }


def test_one_path_or_four_networks_have_no_section() -> None:
    assert call_paths.section(report("ABCD")) is None
    book = Book()
    for name in MS:
        book.latency(name, MS[name][0] / 1000, setting=LITERT)
    assert call_paths.section(tables.measured(book.records)) is None


def test_text_and_markdown_say_the_same() -> None:
    found = section(report())
    text, markdown = found.as_text(), found.as_markdown()
    for words in (found.title, found.introduction, *found.notes):
        assert words in text and words in markdown
    assert "| F | " in markdown


def test_one_section_alone_of_a_bare_table(tmp_path: Path) -> None:
    many, few = tmp_path / "many.csv", tmp_path / "few.csv"
    many.write_text(report().to_csv())
    few.write_text(report("ABCD").to_csv())
    found = section(report())
    assert files.section(many, "call_paths", "md") == found.as_markdown().lstrip("\n")
    assert files.section(many, "call_paths") == found.as_text().lstrip("\n")
    with pytest.raises(UserError, match="no section 'call_paths' in this report"):
        files.section(few, "call_paths")


def test_a_section_that_is_missing_says_what_it_needs(tmp_path: Path) -> None:
    file = tmp_path / "few.csv"
    file.write_text(report("ABCD").to_csv())
    for name, words in NEEDS.items():
        with pytest.raises(UserError, match=f"no section '{name}'") as caught:
            files.section(file, name)
        assert caught.value.hint == f"it needs {words}"


def test_times_without_a_call_path_are_no_setting() -> None:
    frame = report().to_frame()
    frame["latency_p50_s"] = 0.001
    assert section(Report.of(frame)) == section(report())
