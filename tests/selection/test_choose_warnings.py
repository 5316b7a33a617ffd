"""Warnings of a choice: machines, processes, image sizes, doubtful numbers."""

from __future__ import annotations

from pathlib import Path

import cnnbench
from cnnbench.results import tables
from cnnbench.selection.choose import text as choose_text
from tests.records import Book
from tests.selection.tables import LATENCY, SIMPLE, from_rows, lines_of


def test_warns_of_times_from_two_machines(tmp_path: Path) -> None:
    here = tables.load(Book().latency("A", 0.01).write(tmp_path / "here"))
    there = Book({"cpu": "Other"}).latency("B", 0.02).write(tmp_path / "there")
    choice = cnnbench.choose([here, tables.load(there)], minimize="latency_location")
    assert "measured in 2 environments" in " ".join(choice.warnings)


def test_warns_of_times_from_few_processes(tmp_path: Path) -> None:
    few = Book().latency("A", 0.01, rounds=2).latency("B", 0.02, rounds=2).latency("C", 0.03)
    run = tables.load(few.write(tmp_path / "run"))
    (warning,) = cnnbench.choose(run, minimize="latency_p50").warnings
    assert "has fewer than 6 processes" in warning
    assert warning.endswith(": A, B")


def test_warns_of_an_accuracy_at_another_image_size() -> None:
    mixed = from_rows(
        {
            "model": "A",
            "input_shape": "224x224x3",
            "classes": 1000,
            "macs": 5,
            "top1@fashion_mnist/scratch/32px": 0.8,
        }
    )
    choice = cnnbench.choose(mixed, at_most={"macs": "1k"}, maximize="top1")
    assert "measured on 32 px" in choice.warnings[0]
    assert cnnbench.choose(mixed, maximize="top1").warnings == ()


def test_warns_of_an_accuracy_with_other_classes() -> None:
    name = "top1@fashion_mnist/scratch/own"
    rows = [
        {"model": "A", "input_shape": "96x96x3", "classes": 10, "macs": 5, name: 0.8},
        {"model": "B", "input_shape": "160x160x3", "classes": 1000, "macs": 6, name: 0.9},
    ]
    warn = [
        f"{name} was measured at each network's own input, with that data set's classes; "
        "other metrics use the model's own classes: B"
    ]
    choice = cnnbench.choose(from_rows(*rows), at_most={"macs": "1k"}, maximize="top1")
    assert list(choice.warnings) == warn
    assert choice.winner is not None
    assert choice.winner.name == "B", "networks of several sizes are chosen between"
    rows[1]["classes"] = 10
    assert cnnbench.choose(from_rows(*rows), at_most={"macs": "1k"}, maximize="top1").warnings == ()


def test_does_not_warn_of_pretrained_networks_at_their_own_input() -> None:
    row = {"model": "A", "input_shape": "299x299x3", "macs": 5, "top1@photos/pretrained": 0.8}
    assert cnnbench.choose(from_rows(row), at_most={"macs": "1k"}, maximize="top1").warnings == ()


def test_warns_only_of_metrics_that_decide() -> None:
    other = SIMPLE.assign(file_bytes=SIMPLE["file_bytes"] + 1, published_top1=0.5)
    found = cnnbench.choose([SIMPLE, other], minimize="file")
    assert [words.partition(" is in")[0] for words in found.warnings] == ["file_bytes"]


def test_warns_of_compressed_rows_at_another_input_and_of_doubtful_numbers() -> None:
    rows = from_rows(
        {"model": "A", "variant": "float32", "file_bytes": 9, "input_shape": "224x224x3",
         "classes": 1000, "top1@d/s": 0.8,
         "top1_verdict@d/s": "unstable: one seed, at least 2 needed"},
        {"model": "A", "variant": "ptq-int8", "file_bytes": 3, "input_shape": "32x32x3",
         "classes": 10},
    )  # fmt: skip
    assert any(
        "compressed rows" in words for words in cnnbench.choose(rows, minimize="file").warnings
    )
    text = choose_text.as_text(cnnbench.choose(rows, maximize="top1"))
    assert "  doubtful: top1@d/s: one seed, at least 2 needed" in text.splitlines()


def test_shows_doubts_about_limited_metrics() -> None:
    verdict = {"latency_p90_s_verdict@cpu/litert/b1": "unstable: drifting in 4 of 6 rounds"}
    rows = SIMPLE[:2].assign(**verdict)
    choice = cnnbench.choose(rows, at_most={LATENCY: "20ms"}, minimize="file")
    assert f"  doubtful: {LATENCY}: drifting in 4 of 6 rounds" in lines_of(choice)
    text = choose_text.as_text(cnnbench.choose(rows, minimize="latency_p90"))
    assert "  B: 18 ms, 8.00 ms behind, doubtful" in text.splitlines()
