"""``environment.json`` of any content: shown if valid, otherwise unknown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import cnnbench
from cnnbench import environment
from cnnbench.report import files, html
from cnnbench.results import run_files, tables
from tests.records import FACTS, Book


def deep(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "3", "null", "{", '{"fingerprint": null}', '{"fingerprint": []}', deep(50),
        '{"fingerprint": {"libraries": 5}}', '{"fingerprint": {"libraries": "tensorflow"}}',
        '{"load_average": [[1]]}', '{"load_average": NaN}', deep(900), deep(100_000), "9" * 5000,
        '{"cpu": "' + "x" * 2**20 + '"}', "\ufeff{}",
    ],
    ids=lambda text: text[:40],
)  # fmt: skip
def test_an_invalid_environment_is_unknown(tmp_path: Path, text: str) -> None:
    (tmp_path / "environment.json").write_text(text)
    assert run_files.environment(tmp_path) == {}


@pytest.mark.parametrize(
    "text", ['{"fingerprint": null}', "[]", '{"fingerprint": {"libraries": 5}}']
)
def test_shows_a_run_without_a_valid_environment(tmp_path: Path, text: str) -> None:
    run = Book().static("A", params=1).write(tmp_path / "run")
    (run / "environment.json").write_text(text)
    assert "Measured here" not in files.text(run)
    files.write(run)
    cnnbench.compare(cnnbench.load(run), cnnbench.load(run))


@pytest.mark.parametrize("text", ['{"fingerprint": {"cpu": 5, "libraries": {"keras": [3]}}}', "{}"])
def test_shows_unusual_facts_unchanged(tmp_path: Path, text: str) -> None:
    run = Book().static("A", params=1).write(tmp_path / "run")
    (run / "environment.json").write_text(text)
    assert run_files.environment(run) == json.loads(text)
    files.write(run)


def test_shows_facts_with_unpaired_surrogates(tmp_path: Path) -> None:
    run = Book({**FACTS, "cpu": "\udce9"}).static("A", params=1).write(tmp_path / "run")
    assert "\\udce9" in files.text(run)
    html.page(tables.load(run)).encode()


def test_reads_the_environment_that_a_run_writes(tmp_path: Path) -> None:
    described = environment.describe()
    (tmp_path / "environment.json").write_text(json.dumps(described))
    assert run_files.environment(tmp_path) == described
