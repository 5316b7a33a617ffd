"""The budgets' baseline: what a test run leaves in the file, and what it does not take away."""

from __future__ import annotations

from pathlib import Path

import pytest

from cnnbench.errors import UserError
from cnnbench.probes.static import StaticSetting
from cnnbench.results import csv_files, tables
from cnnbench.selection.baseline import Baseline
from tests.records import FACTS, Book

P50 = "latency_p50_s@cpu/litert/b1"


def written(file: Path, *books: Book) -> list[dict[str, object]]:
    baseline = Baseline(file, is_update=True)
    for number, book in enumerate(books):
        report = tables.report(book.records)
        assert list(baseline.check(report)) == []
        baseline.add(f"test {number}", [csv_files.to_csv(report)])
    baseline.write()
    return csv_files.read_csv(file).to_dict("records")  # type: ignore[return-value]


def test_a_network_of_two_tests_keeps_the_numbers_of_both(tmp_path: Path) -> None:
    fast = Book().static("A", params=5.0).latency("A", 0.010)
    (row,) = written(tmp_path / "base.csv", fast, Book().static("A", params=5.0))
    assert (row["params"], row[P50] is not None) == (5, True)
    assert row[P50] == pytest.approx(0.01, rel=0.5)


def test_keeps_networks_that_were_not_measured_and_drops_changed_ones(tmp_path: Path) -> None:
    file = tmp_path / "base.csv"
    written(
        file, Book().static("A", params=5.0).latency("A", 0.010), Book().static("B", params=7.0)
    )
    a, b = written(file, Book().static("A", params=6.0))
    assert (a["params"], b["params"]) == (6, 7)
    assert a[P50] == pytest.approx(0.01, rel=0.5)

    # Another input is another network, and another machine has other times.
    for other in (Book(shape=(64, 64, 3)), Book({**FACTS, "cpu": "Other CPU"})):
        b, a = written(file, other.static("A", params=6.0))
        assert (a["model"], b["model"]) == ("A", "B")
        assert a.get(P50) is None or a[P50] != a[P50]


def test_keeps_variants_that_were_not_measured(tmp_path: Path) -> None:
    both = Book().static("A", params=5.0)
    both.record("A", StaticSetting(), 0, {"params": 5.0}, variant="ptq-int8")
    rows = written(tmp_path / "base.csv", both)
    assert len(rows) == 2
    rows = written(tmp_path / "base.csv", Book().static("A", params=6.0))
    assert [(row["variant"], row["params"]) for row in rows] == [("float32", 6), ("ptq-int8", 5)]


def test_the_file_does_not_depend_on_the_order_in_which_tests_end(tmp_path: Path) -> None:
    """Several processes hand on what they found as their tests end."""
    found = {
        f"test {name}": [csv_files.to_csv(tables.report(Book().static(name, params=5.0).records))]
        for name in "ABCD"
    }
    made = []
    for order in (list(found), ["test C", "test A", "test D", "test B"]):
        baseline = Baseline(tmp_path / f"{len(made)}.csv", is_update=True)
        for test in order:
            baseline.add(test, found[test])
        baseline.write()
        made.append((tmp_path / f"{len(made)}.csv").read_text())
    assert made[0] == made[1]
    assert [line.split(",")[0] for line in made[0].splitlines()] == ["model", *"ABCD"]


def test_refuses_an_unreadable_baseline_before_any_test_runs(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist; --cnnbench-update-baseline creates it"):
        Baseline(tmp_path / "base.csv", is_update=False)
    with pytest.raises(UserError, match=r"the folder .*nowhere does not exist"):
        Baseline(tmp_path / "nowhere" / "base.csv", is_update=True)
    (tmp_path / "base.csv").write_text('"')
    with pytest.raises(UserError, match=r"base\.csv"):
        Baseline(tmp_path / "base.csv", is_update=True)


def test_warns_of_numbers_that_could_not_be_compared_with_the_baseline(tmp_path: Path) -> None:
    file = tmp_path / "base.csv"
    written(file, Book().static("A", params=5.0).latency("A", 0.010).static("B", params=7.0))
    elsewhere = Book({**FACTS, "cpu": "Other CPU"}).static("A", params=6.0).latency("A", 0.010)
    check = Baseline(file, is_update=False).check(tables.report(elsewhere.records))
    with pytest.warns(UserWarning) as said:
        assert list(check) == ["params was 5, is 6 (by +1)"]
    (one,) = [str(warning.message) for warning in said]
    assert one == f"A: 1 number not compared with {file}: another environment"
