"""What ``report.html`` opens with: the description, the winner, what decides, files and logs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cnnbench.probes.static import StaticSetting
from cnnbench.report import files, html
from cnnbench.report.html.data import payload
from cnnbench.report.html.links import links
from cnnbench.results import tables
from cnnbench.results.run_files import log_words
from cnnbench.results.tables import Run
from cnnbench.suite import question as questions
from cnnbench.suite.question import Question
from tests.records import DIGITS, HOSTILE, Book
from tests.report.browsing import Seen, chromium

PHONE = {"viewport": {"width": 390, "height": 844}}
LONG = "BasicCNN[batch_norm=true,dropout=0.0,width=0.25]+ssdlite[input_shape=48x48x1,levels=3]"
DECIDING = [f"top1@{DIGITS.label()}", "latency_p50_s@cpu/litert/b1", "file_bytes"]


def written(folder: Path, *names: str, description: str = "", question: bool = False) -> Run:
    """Write a run of networks, each 1 M parameters larger and better than the one before."""
    book = Book()
    for place, name in enumerate(names, 1):
        book.static(name, params=1e6 * place, macs=1e8 * place).latency(name, 0.005 * place)
        book.accuracy(name, [0.8 + 0.02 * place] * 2)
    book.write(folder)
    (folder / "suite.yaml").write_text(f"name: s\ndescription: {json.dumps(description)}\n")
    if question:
        asked = Question(maximize=DECIDING[0], max={"params": 2.5e6})
        (folder / questions.FILE_NAME).write_text(asked.to_json())
    return tables.load(folder)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


def shown(browser: Any, run: Run, **options: Any) -> Seen:
    files.write(run.path)
    return Seen(browser, run.path / "report.html", **options)


def test_what_decides_comes_first_then_accuracy_and_latency(tmp_path: Path) -> None:
    columns = payload(written(tmp_path / "run", "A", "B"))["columns"]
    assert [one["name"] for one in columns if one["decides"]] == DECIDING
    assert [one["name"] for one in columns[:3]] == DECIDING
    assert {one["group"] for one in columns[:3]} == {"What decides"}
    groups = list(dict.fromkeys(one["group"] for one in columns if one["shown"]))
    assert groups[1:4] == ["Accuracy", "Latency", "Network"]


def test_the_question_says_what_decides(tmp_path: Path) -> None:
    columns = payload(written(tmp_path / "run", "A", "B", question=True))["columns"]
    assert [one["name"] for one in columns if one["decides"]] == [DECIDING[0], "params"]


@pytest.mark.parametrize(
    ("suite", "words"),
    [
        ("name: s\ndescription: Which fits?\n", "Which fits?"),
        ("name: s\n", ""),
        ("name: s\ndescription: [1]\n", ""),
        ("{", ""),
        ("", ""),
    ],
)
def test_the_description_is_the_suites_own(tmp_path: Path, suite: str, words: str) -> None:
    run = written(tmp_path / "run", "A")
    (run.path / "suite.yaml").write_text(suite)
    assert payload(run)["description"] == words


def test_of_several_settings_the_one_of_most_networks_is_asked_for(tmp_path: Path) -> None:
    book = Book()
    for place, name in enumerate(["A", "B"], 1):
        book.static(name, params=1e6 * place).accuracy(name, [0.8 + 0.01 * place])
    other = DIGITS.model_copy(update={"epochs": 9})
    book.record("A", other, 0, {"top1": 0.99}, details={"n_test": 100, "chance": 0.1})
    found = payload(tables.load(book.write(tmp_path / "run")))
    questions_of = {words: found["columns"][place]["name"] for words, place in found["glance"]}
    assert questions_of["Most accurate"] == DECIDING[0]


def test_files_and_logs_of_a_network_are_linked_from_beside_the_run(tmp_path: Path) -> None:
    run = written(tmp_path / "run", "A", "A[x=1]")
    for name in ("A/ptq-int8/model.tflite", "A/seed/seed-0.keras", "A-x=1/seed/seed-0.keras"):
        file = run.path / "artifacts" / name
        file.parent.mkdir(parents=True)
        file.write_bytes(bytes(2000))
    (run.path / "logs").mkdir()
    label = StaticSetting().label()
    for name in ("A", "A[x=1]"):
        (run.path / "logs" / f"{log_words(f'{name} static {label}')}-0-0-try1.log").touch()
    of_a, of_other = links(run, tmp_path)
    assert of_a == [
        ["model.tflite, 2 kB", "run/artifacts/A/ptq-int8/model.tflite"],
        ["seed-0.keras, 2 kB", "run/artifacts/A/seed/seed-0.keras"],
        ["log of static", f"run/logs/A-static-{label}-0-0-try1.log"],
    ]
    assert [address for _, address in of_other] == [
        "run/artifacts/A-x%3D1/seed/seed-0.keras",
        f"run/logs/A-x-1-static-{label}-0-0-try1.log",
    ]
    assert links(run, None) == [[], []]


def test_a_compressed_network_links_its_own_file(tmp_path: Path) -> None:
    book = Book().static("A", params=1e6)
    book.record("A", StaticSetting(), 1, {"params": 1e6}, variant="ptq-int8")
    run = tables.load(book.write(tmp_path / "run"))
    for name in ("ptq-int8/model.tflite", "ptq-int8-digits-scratch/model.tflite", "s/s.keras"):
        file = run.path / "artifacts/A" / name
        file.parent.mkdir(parents=True)
        file.write_bytes(b"")
    of_rows = zip(run.measured.rows, links(run, run.path), strict=True)
    found = {row.variant: of_row for row, of_row in of_rows}
    assert [address for _, address in found["float32"]] == ["artifacts/A/s/s.keras"]
    assert len(found["ptq-int8"]) == 2


def test_the_page_opens_with_the_description_and_the_winner(browser: Any, tmp_path: Path) -> None:
    run = written(tmp_path / "run", "A", "B", "C", description=f"Which? {HOSTILE}", question=True)
    (run.path / "artifacts/B/t").mkdir(parents=True)
    (run.path / "artifacts/B/t/seed-0.keras").write_bytes(bytes(3000))
    seen = shown(browser, run)
    assert seen.page.locator("header .description").inner_text() == f"Which? {HOSTILE}"
    words = seen.page.locator("#winner").inner_text()
    assert "B" in words.splitlines()
    assert "84.0 %" in words
    assert "params 2 M" in words
    link = seen.page.locator("#winner").get_by_role("link", name="seed-0.keras, 3 kB")
    assert link.get_attribute("href") == "artifacts/B/t/seed-0.keras"
    assert seen.errors == []
    seen.page.close()


def test_a_phone_shows_what_decides_and_long_names_fit(browser: Any, tmp_path: Path) -> None:
    run = written(tmp_path / "run", LONG, f"{LONG}2")
    seen = shown(browser, run, **PHONE)
    heads = seen.page.locator("#table thead button").all_inner_texts()
    assert [head.split("\n")[0] for head in heads] == ["Model", "Top-1", "Latency p50", "File"]
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert seen.errors == []
    seen.page.close()


def test_columns_that_were_chosen_are_chosen_again(browser: Any, tmp_path: Path) -> None:
    seen = shown(browser, written(tmp_path / "run", "A", "B"))
    heads = seen.page.locator("#table thead button")
    before = heads.count()
    seen.page.get_by_text("Columns", exact=True).click()
    seen.page.locator("#columns").get_by_label("MACs", exact=True).uncheck()
    seen.page.reload()
    seen.page.evaluate("ready")
    assert heads.count() == before - 1
    assert seen.errors == []
    seen.page.close()


def test_a_page_elsewhere_has_no_links_unless_it_says_where(tmp_path: Path) -> None:
    run = written(tmp_path / "run", "A")
    (run.path / "artifacts/A/t").mkdir(parents=True)
    (run.path / "artifacts/A/t/seed-0.keras").touch()
    assert "seed-0.keras" not in html.page(run)
    assert "seed-0.keras" in html.page(run, tmp_path)
