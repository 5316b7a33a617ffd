"""Runs merged into one folder: each result once, pictures by content, nothing through a link."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cnnbench.cli.merge import command
from cnnbench.errors import UserError
from cnnbench.probes.latency.settings import LatencySetting
from cnnbench.report.formats import as_text
from cnnbench.report.html.examples import examples
from cnnbench.results import tables
from cnnbench.results.merged_runs import merge_runs
from cnnbench.results.report import Report
from cnnbench.selection.answer import answer
from cnnbench.suite.question import Question
from tests.records import DIGITS, FACTS, LITERT, Book
from tests.report.test_html_examples import listed, png

Facts = dict[str, object]
OTHER = {**FACTS, "cpu": "Other CPU"}


def run(
    folder: Path,
    model: str = "A",
    pictures: Sequence[bytes] = (),
    facts: dict[str, object] = FACTS,
    top1: float = 0.5,
) -> Path:
    """Write a run with an accuracy and the example pictures of its first seed."""
    names = [f"artifacts/cell/examples/seed-0-image-{n}.png" for n in range(len(pictures))]
    details: dict[str, Any] = {
        "examples": [listed(one, name) for one, name in zip(pictures, names, strict=True)]
    }
    book = Book(facts)
    book.record(model, DIGITS, 0, {"top1": top1}, details=details if pictures else None)
    book.write(folder)
    for name, content in zip(names, pictures, strict=True):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_the_page_of_merged_runs_has_the_pictures_of_all(tmp_path: Path) -> None:
    black, white = png(0), png(255)
    runs = [run(tmp_path / "1", "A", [black, white]), run(tmp_path / "2", "B", [white])]
    (tmp_path / "1" / "artifacts" / "cell" / "seed-0.keras").write_text("weights")
    done = CliRunner().invoke(command, [*map(str, runs), "--out", str(tmp_path / "new")])
    assert done.stdout == f"{tmp_path / 'new'}: 2 records, 2 example pictures\n", done.output
    found = examples(tables.load(tmp_path / "new"))
    assert [(one["network"], len(one["pictures"]), one["notes"]) for one in found] == [
        ("A", 2, []),
        ("B", 1, []),
    ]
    files = {path.name for path in (tmp_path / "new" / "artifacts").rglob("*.*")}
    assert files == {f"{hashlib.sha256(one).hexdigest()}.png" for one in (black, white)}
    assert (tmp_path / "new" / "report.html").is_file()


def test_a_result_of_several_runs_is_taken_once(tmp_path: Path) -> None:
    runs = [run(tmp_path / name, pictures=[png(9)]) for name in ("1", "2")]
    merged = merge_runs(runs, tmp_path / "new")
    assert (merged.records, merged.pictures, merged.notes) == (1, 1, ())
    again = merge_runs([tmp_path / "new", runs[0]], tmp_path / "newer")
    assert again.records == 1, "the place of a picture does not make another result"


def test_contradictory_results_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    runs = [run(tmp_path / "1"), run(tmp_path / "2", top1=0.6)]
    with pytest.raises(UserError, match=r"2: another result than .*1 of A accuracy 0: ok, in the"):
        merge_runs(runs, tmp_path / "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "2"]


def test_what_two_runs_prepared_on_one_machine_is_no_contradiction(tmp_path: Path) -> None:
    runs = []
    for name, seconds in (("1", 1.0), ("2", 2.0)):
        book = Book()
        book.record("A", LITERT, "prepare", {"convert_s": seconds})
        book.write(tmp_path / name)
        runs.append(tmp_path / name)
    merge_runs(runs, tmp_path / "new")
    (record,) = tables.load(tmp_path / "new").raw
    assert record.metrics == {"convert_s": 1.0}


def test_results_of_two_environments_are_both_kept(tmp_path: Path) -> None:
    runs = [run(tmp_path / "1"), run(tmp_path / "2", facts=OTHER, top1=0.6)]
    merged = merge_runs(runs, tmp_path / "new")
    assert merged.records == 2
    found = tables.load(tmp_path / "new")
    assert found.environment["fingerprint"]["cpu"] == "Test CPU"
    (other,) = found.other_environments.values()
    assert other["fingerprint"]["cpu"] == "Other CPU"
    assert {record.attempt for record in found.raw} == {1, 2}


def timed(folder: Path, model: str, host: str, seconds: float, facts: Facts = FACTS) -> Path:
    """Write a run with six rounds of a latency on a host."""
    book = Book(facts)
    for number in range(6):
        metrics = {"latency_location_s": seconds * (1 + number / 100), "reference_s": 1e-3}
        book.record(model, LITERT, number, metrics)
    book.write(folder)
    file = folder / "environment.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "host": host}))
    return folder


def test_equal_machines_are_told_apart_by_their_host(tmp_path: Path) -> None:
    runs = [timed(tmp_path / host, "A", host, s) for host, s in (("aaaa", 1.0), ("bbbb", 2.0))]
    assert merge_runs(runs, tmp_path / "new").records == 12
    found = tables.load(tmp_path / "new")
    own = found.environment["id"]
    assert list(found.other_environments) == [f"{own}-bbbb"]
    locations = [n for n in found.measured.numbers if n.startswith("latency_location_s@")]
    start = "latency_location_s@cpu/litert/b1/on=Test"
    assert locations == [f"{start}-{own}", f"{start}-{own}-bbbb"], "one column a machine"
    (row,) = found.measured
    assert [len(row.get(name).samples) for name in locations] == [6, 6]
    assert found.measured.axes(locations[0])["runtime"] == "litert"
    again = merge_runs([runs[1], tmp_path / "new", runs[0]], tmp_path / "newer")
    assert again.records == 12, "the same hosts under the same names"


def test_machines_are_named_by_what_they_were_called_or_by_their_cpu(tmp_path: Path) -> None:
    board = timed(tmp_path / "1", "A", "aaaa", 1.0, {**FACTS, "cpu": "Cortex-A76"})
    file = board / "environment.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "name": "board"}))
    here = timed(tmp_path / "2", "A", "bbbb", 2.0, {**FACTS, "cpu": "Intel(R) Core(TM) i7 @ 3GHz"})
    merge_runs([board, here], tmp_path / "new")
    found = tables.load(tmp_path / "new").measured
    names = [name for name in found.numbers if name.startswith("latency_location_s@")]
    start = "latency_location_s@cpu/litert/b1/on="
    assert names == [f"{start}board", f"{start}Intel-Core-i7"]
    shown = as_text(tables.load(tmp_path / "new"))
    assert "on=board: Cortex-A76, 2 cores" in shown and "on=Intel-Core-i7: Intel(R)" in shown
    assert "Measured here" not in shown
    assert Report.from_csv(tmp_path / "x.csv", found.to_csv()).axes(names[0])["batch"] == "b1"


def test_a_question_is_answered_by_the_machine_that_measured_its_column(tmp_path: Path) -> None:
    column = "latency_location_s@cpu/litert/b1"
    fast = timed(tmp_path / "1", "A", "aaaa", 1.0)
    slow = timed(tmp_path / "2", "B", "aaaa", 2.0)
    book = Book(OTHER)
    book.record("A", LatencySetting(runtime="graph"), 0, {"latency_location_s": 1.0})
    book.write(tmp_path / "3")
    for number in (1, 2, 3):
        question = Question(minimize=column, max={column: 3.0})
        (tmp_path / str(number) / "question.json").write_text(question.to_json())
    merge_runs([fast, slow, tmp_path / "3"], tmp_path / "new")
    found = answer(tables.load(tmp_path / "new"))
    assert found is not None and found.choice.winner is not None
    assert found.choice.winner.row.model == "A"


def test_an_accuracy_of_two_machines_counts_each_seed_once(tmp_path: Path) -> None:
    runs = [run(tmp_path / "1"), run(tmp_path / "2", facts=OTHER, top1=0.6)]
    merge_runs(runs, tmp_path / "new")
    (row,) = tables.load(tmp_path / "new").measured
    (found,) = (one for name, one in row.values.items() if name.startswith("top1@"))
    assert (found.value, found.samples) == (0.5, (0.5,))


def test_the_question_of_a_suite_is_kept(tmp_path: Path) -> None:
    runs = [run(tmp_path / "1", "A"), run(tmp_path / "2", "B")]
    for folder in runs:
        (folder / "question.json").write_text("{}")
    merge_runs(runs, tmp_path / "new")
    assert (tmp_path / "new" / "question.json").read_text() == "{}"


def test_a_picture_behind_a_link_is_not_copied_but_named(tmp_path: Path) -> None:
    folder = run(tmp_path / "1", pictures=[png(1), png(2)])
    file = folder / "artifacts" / "cell" / "examples" / "seed-0-image-0.png"
    file.rename(tmp_path / "elsewhere.png")
    file.symlink_to(tmp_path / "elsewhere.png")
    merged = merge_runs([folder], tmp_path / "new")
    (note,) = merged.notes
    assert merged.pictures == 1
    assert note.startswith("1 example picture not copied; the first: artifacts/cell/examples/seed")


def test_a_picture_that_was_changed_or_is_outside_is_not_copied(tmp_path: Path) -> None:
    folder = run(tmp_path / "1", pictures=[png(1)])
    lines = (folder / "records.jsonl").read_text().splitlines()
    record = json.loads(lines[1])
    (tmp_path / "secret.png").write_bytes(png(3))
    record["details"]["examples"].append(listed(png(3), "../secret.png"))
    record["details"]["examples"].append(listed(png(3), record["details"]["examples"][0]["file"]))
    (folder / "records.jsonl").write_text(f"{lines[0]}\n{json.dumps(record)}\n")
    merged = merge_runs([folder], tmp_path / "new")
    assert merged.pictures == 1 and merged.notes[0].startswith("2 example pictures not copied")


@pytest.mark.parametrize("name", ["full", "file"])
def test_a_place_that_is_taken_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("x")
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match=r"is not empty \(choose a new folder\)"):
        merge_runs([run(tmp_path / "1")], tmp_path / name)


def test_a_table_has_no_records_to_merge(tmp_path: Path) -> None:
    folder = run(tmp_path / "1")
    file = tmp_path / "report.csv"
    file.write_text(tables.load(folder).measured.to_csv())
    with pytest.raises(UserError, match="has no records to merge"):
        merge_runs([file], tmp_path / "new")
