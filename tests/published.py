"""Published tables: generation for every run under results/published and every page.

A page marks a table with two comments; the first holds the command that makes it:

    <!-- cnnbench report results/published/mobile --format md -->
    ...
    <!-- end -->

What is no Markdown stands there as it is in a terminal.

``make published`` (this file as a program) makes all of it anew with today's code; what a journal
says was measured stays as it is. Counts are the same on every machine: with ``--recount`` those in
the journals are made anew too, by today's rules.
"""

from __future__ import annotations

import contextlib
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from click.testing import CliRunner

from cnnbench.cli import group
from cnnbench.models import registry
from cnnbench.probes import static
from cnnbench.probes.interface import Context
from cnnbench.probes.probe import setting_of
from cnnbench.record import Record
from cnnbench.report import files
from cnnbench.results import journal, tables
from tests.conftest import ROOT

RUNS = sorted(path.parent for path in (ROOT / "results/published").glob("**/records.jsonl"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_BLOCK = re.compile(
    r"(<!-- (?P<command>(?:cnnbench|python) [^\n]*?) -->\n)(?P<text>.*?)(<!-- end -->)", re.DOTALL
)


def blocks(page: Path) -> list[tuple[str, str]]:
    """Return ``(command, text)`` of every marked table in a page."""
    found = _BLOCK.finditer(page.read_text(encoding="utf-8"))
    return [(match["command"], match["text"]) for match in found]


def output_of(command: str) -> str:
    """Return the output of a command line, run in the repository's root.

    It is ``cnnbench ...``, or ``python benchmarks/...`` that computes from published runs.
    """
    words = shlex.split(command)
    if words[0] == "python":
        python = [sys.executable, *words[1:]]
        return subprocess.run(python, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    with contextlib.chdir(ROOT):
        done = CliRunner().invoke(group, words[1:], prog_name="cnnbench", catch_exceptions=False)
    assert done.exit_code == 0, done.output
    text = done.stdout.strip() + "\n"
    return text if "md" in words else f"```\n{text}```\n"


def _make_page(page: Path) -> None:
    old = page.read_text(encoding="utf-8")
    new = _BLOCK.sub(lambda match: match[1] + output_of(match["command"]) + match[4], old)
    if new != old:
        page.write_text(new, encoding="utf-8")


def _recount(run: Path) -> None:
    file = run / journal.FILE_NAME
    header, records = journal.read(file)
    lines = [header.to_json(), *(recounted(record).to_json() for record in records)]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def recounted(record: Record) -> Record:
    """Return ``record``, counted again if its probe only counts."""
    if record.probe != "static" or record.status != "ok":
        return record
    import tensorflow as tf

    tf.keras.backend.clear_session()  # layers are numbered as in a process of their own
    context = Context(repeat=0, artifacts=ROOT, scratch=ROOT)  # counting writes nowhere
    found = static.run(registry.resolve(record.model), setting_of(record), context)
    metrics = {name: float(value) for name, value in found.metrics.items()}
    return replace(record, metrics=metrics, details=found.details)


if __name__ == "__main__":
    if "--recount" in sys.argv:
        for run in RUNS:
            _recount(run)
    for run in RUNS:
        for name, table in files.contents(tables.load(run)).items():
            (run / name).write_text(table, encoding="utf-8")
    for one in PAGES:
        _make_page(one)
