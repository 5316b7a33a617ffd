"""The question of a suite: its metrics are found among those that its cells measure."""

from __future__ import annotations

from pathlib import Path

import pytest

from cnnbench.errors import UserError
from cnnbench.suite import question as questions
from cnnbench.suite.question import Question
from tests.suite.fake import plan_of

SUITE = """
name: s
models: [Alpha, Beta]
probes:
  static:
  latency: {runtimes: [litert, graph], devices: [cpu], threads: [1]}
  accuracy: {dataset: digits, image_size: 32, epochs: 4, seeds: 3}
"""


def asked(question: str) -> Question:
    found = plan_of(f"{SUITE}question: {question}\n").question
    assert found is not None
    return found


def mistake(question: str, suite: str = SUITE) -> str:
    with pytest.raises(UserError) as raised:
        plan_of(f"{suite}question: {question}\n")
    return str(raised.value)


def test_finds_columns_by_the_abbreviations_of_choose_and_reads_units() -> None:
    found = asked(
        "{maximize: top1, max: {latency_p90@cpu/litert: 15ms, file: 6MB}, min: {top5: 90%}}"
    )
    assert found.maximize == "top1@digits/scratch/32px/4ep"
    assert found.max == {"latency_p90_s@cpu/litert/b1/t1": 0.015, "file_bytes": 6e6}
    assert found.min == {"top5@digits/scratch/32px/4ep": 0.9}
    assert (found.objective, found.sense) == (found.maximize, "maximize")


def test_a_suite_without_a_question_has_none() -> None:
    assert plan_of(SUITE).question is None


def test_a_question_changes_neither_the_run_nor_a_key() -> None:
    plain, other = plan_of(SUITE), plan_of(f"{SUITE}question: {{maximize: top1}}\n")
    assert plain.id == other.id
    assert other.without_question().cells == plain.cells


def test_a_data_set_is_named_as_in_the_suite_or_as_in_its_column() -> None:
    columns = ["top1@photos/scratch/8ep", "file_bytes"]
    for name in ("top1@folder:data/photos", "top1@photos", "top1"):
        found, problems = questions.resolved(Question(maximize=name), columns, str)
        assert found and not problems and found.maximize == columns[0]


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("{maximize: top7}", "s.yaml:8: no cell of this suite measures 'top7' (did you mean 'top"),
        ("{maximize: top1, max: {latency_p90: 15ms}}",
         "s.yaml:8: the metric 'latency_p90' is ambiguous (one of: latency_p90_s@cpu/"),
        ("{maximize: box_map}", "no cell of this suite measures 'box_map'"),
        ("{maximize: top1, max: {file: 6ms}}", "'6ms' has no unit that fits (write for example 10"),
        ("{maximize: top1, max: {file: 6}}", "'6' has no unit that fits (write for example 10MB"),
        ("{maximize: top1, min: {top5: 120%}}", "Top-5 cannot be 120.0 %"),
        ("{maximize: top1, minimize: macs}", "exactly one of maximize and minimize"),
        ("{}", "exactly one of maximize and minimize"),
        ("{maximize: top1, max: {file: 1MB}, min: {file: 2MB}}", "can keep both limits"),
        ("{maximize: top1, max: {file: 1MB, file_bytes: 2MB}}", "limits file_bytes again"),
        ("{maximize: top1, most: {file: 1MB}}", "unknown key 'question.most' ("),
        ("{maximize: top1, zzz: 1}", "(one of: maximize, minimize, max, min, rungs)"),
        ("{maximize: macs, rungs: [1]}", "no training of macs is longer than 1 epochs"),
        ("{maximize: top1, rungs: [3, 1]}", "the shortest first"),
    ],
)  # fmt: skip
def test_a_mistake_is_found_when_the_suite_is_planned(question: str, words: str) -> None:
    assert words in mistake(question)


def test_counts_and_shares_need_no_unit() -> None:
    found = asked("{maximize: top1, max: {params: 5e6}, min: {top5: 0.9}}")
    assert (found.max, found.min) == (
        {"params": 5e6},
        {"top5@digits/scratch/32px/4ep": 0.9},
    )


def test_all_mistakes_are_reported_with_their_lines() -> None:
    found = mistake("\n  maximize: top7\n  max:\n    files: 1MB\n    fil: 2MB\n")
    assert found.splitlines()[0].startswith("s.yaml:9: no cell of this suite measures 'top7'")
    assert found.splitlines()[1].startswith("s.yaml:11: no cell of this suite measures 'files'")


def test_a_file_is_measured_only_by_a_runtime_that_ships_one() -> None:
    suite = SUITE.replace("[litert, graph]", "[graph]")
    assert "no cell of this suite measures 'file'" in mistake("{minimize: file}", suite)


def test_is_kept_in_the_run_and_read_again(tmp_path: Path) -> None:
    found = asked("{minimize: latency_p50@cpu/litert, min: {top1: 80%}}")
    assert questions.read(tmp_path) is None
    (tmp_path / questions.FILE_NAME).write_text(found.to_json())
    assert questions.read(tmp_path) == found


@pytest.mark.parametrize(
    "text", ["", "[]", '{"maximize": "gone"}', '{"maximize": "macs", "max": {"macs": "5 of them"}}']
)
def test_a_question_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / questions.FILE_NAME).write_text(text)
    assert questions.read(tmp_path) is None


def test_in_words() -> None:
    found = asked("{minimize: latency_p50@cpu/litert, max: {file: 6MB}, min: {top1: 80%}}")
    assert questions.in_words(found, ["latency", "file", "top1"]) == (
        "lowest latency with file ≤ 6 MB and top1 ≥ 80.0 %"
    )
    assert questions.in_words(asked("{maximize: macs}")) == "highest macs"
