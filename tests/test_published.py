"""Every published table, and every table in a page, is what today's code makes of its journal."""

from __future__ import annotations

from pathlib import Path

import pytest

from cnnbench.report import files
from cnnbench.store import tables
from tests import published

BLOCKS = [
    pytest.param(command, text, id=f"{page.name}: {command}")
    for page in published.PAGES
    for command, text in published.blocks(page)
]


def test_there_is_something_published() -> None:
    assert published.RUNS
    assert BLOCKS


@pytest.mark.parametrize("folder", published.RUNS, ids=lambda path: path.name)
def test_a_published_run_gives_the_same_tables_today(folder: Path) -> None:
    run = tables.load(folder)
    made = files.contents(run)
    for name in ("report.csv", "records.csv", "report.md"):
        assert (folder / name).read_text(encoding="utf-8") == made[name], name
    assert {"suite.yaml", "environment.json"} <= {file.name for file in folder.iterdir()}


@pytest.mark.parametrize(("command", "text"), BLOCKS)
def test_a_table_in_a_page_is_made_by_the_command_over_it(command: str, text: str) -> None:
    assert text.strip() == published.output_of(command).strip()
