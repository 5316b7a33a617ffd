"""Formats of a report: cnnbench's own, and one of another package."""

from __future__ import annotations

from pathlib import Path

import cnnbench as package
from cnnbench.report import files
from tests.records import Book
from tests.test_extras import cnnbench


def test_another_package_adds_a_format(tmp_path: Path) -> None:
    run = Book().static("Small", params=1).static("Large", params=2).write(tmp_path / "run")
    done = cnnbench(tmp_path, "report", str(run), "--format", "names")
    assert (done.stdout, done.returncode) == ("Small\nLarge\n", 0), done.stderr
    without = cnnbench(tmp_path, "report", str(run), "--format", "names", site=None)
    assert without.returncode == 2
    assert "unknown format 'names'" in without.stderr


def test_a_run_prints_as_the_command_line_prints_it(tmp_path: Path) -> None:
    run = Book().static("Small", params=1).write(tmp_path / "run")
    assert f"{package.load(run)}\n" == files.text(run)
    assert len(repr(package.load(run))) < 200
