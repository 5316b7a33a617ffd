"""Every published table, and every table in a page, is made again from its journal by today's code.

A page marks such a table so, and the command between the two comments makes it:

    <!-- cnnbench report results/published/mobile --format md -->
    ...
    <!-- end -->
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from cnnbench.report import files
from cnnbench.store import tables
from tests.conftest import ROOT

PUBLISHED = sorted(path.parent for path in (ROOT / "results/published").glob("**/records.jsonl"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_MADE = re.compile(r"<!-- (cnnbench [^\n]*?) -->\n(.*?)<!-- end -->", re.DOTALL)
BLOCKS = [
    pytest.param(command, text, id=f"{page.name}: {command}")
    for page in PAGES
    for command, text in _MADE.findall(page.read_text(encoding="utf-8"))
]


def test_there_is_something_published() -> None:
    assert PUBLISHED
    assert BLOCKS


@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda path: path.name)
def test_a_published_run_gives_the_same_tables_today(folder: Path) -> None:
    run = tables.load(folder)
    made = files.contents(run)
    for name in ("report.csv", "records.csv", "report.md"):
        assert (folder / name).read_text(encoding="utf-8") == made[name], name
    assert {"suite.yaml", "environment.json"} <= {file.name for file in folder.iterdir()}


@pytest.mark.parametrize(("command", "text"), BLOCKS)
def test_a_table_in_a_page_is_made_by_the_command_over_it(command: str, text: str) -> None:
    words = shlex.split(command)
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert text.strip() == done.stdout.strip()
