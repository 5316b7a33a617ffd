"""The files that are made from a run, and the texts that are shown of it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from cnnbench.report import table
from cnnbench.store import tables
from cnnbench.store.tables import Run

Format = Literal["text", "md", "csv"]
_WIDTH_WITHOUT_TERMINAL = 160


def write(folder: Path) -> None:
    """Make ``records.csv``, ``report.csv`` and ``report.md`` anew from the journal.

    A file is replaced in one step. Raises OSError where the folder cannot be written.
    """
    run = tables.load(folder)
    for name, text in contents(run).items():
        part = folder / f".{name}.part"
        part.write_text(text, encoding="utf-8")
        part.replace(folder / name)


def contents(run: Run) -> dict[str, str]:
    """Every file that `write` makes, by name."""
    return {
        "records.csv": tables.to_csv(run.records),
        "report.csv": tables.to_csv(run.report),
        "report.md": table.as_markdown(run.report, run.environment),
    }


def text(
    path: Path, form: Format = "text", *, metrics: Sequence[str] = (), terminal_width: bool = False
) -> str:
    """The report of a run (or of a bare ``report.csv``) as it is printed.

    ``metrics`` chooses the columns of the text and Markdown forms; the CSV is always whole.
    """
    run = tables.load(path)
    if form == "csv":
        return tables.to_csv(run.report)
    if form == "md":
        return table.as_markdown(run.report, run.environment, metrics)
    width = shutil.get_terminal_size((_WIDTH_WITHOUT_TERMINAL, 24)).columns
    return table.as_text(
        run.report,
        run.environment,
        width if terminal_width else _WIDTH_WITHOUT_TERMINAL,
        metrics,
    )
