"""Files that are made from a run, and texts that are shown of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from cnnbench.errors import UserError
from cnnbench.files import replace_text
from cnnbench.plugins import FORMATS
from cnnbench.report import formats, html
from cnnbench.report.sections import NEEDS, opening, sections
from cnnbench.results import csv_files, tables
from cnnbench.results.tables import Run


def write(folder: Path) -> None:
    """Write the tables and ``report.html`` from the journal, each file in one step.

    Raises:
        OSError: the folder cannot be written.
    """
    run = tables.load(folder)
    for name, text in contents(run).items():
        replace_text(folder / name, text)
    replace_text(folder / "report.html", html.page(run, folder))


def contents(run: Run) -> dict[str, str]:
    """Return the tables that `write` makes, by file name."""
    return {
        "records.csv": csv_files.to_csv(run.records),
        "report.csv": run.measured.to_csv(),
        "report.md": formats.as_markdown(run),
    }


def text(path: Path, form: str = "text", *, metrics: Sequence[str] = (), width: int = 160) -> str:
    """Return the report of a run, or of a bare ``report.csv``, in one of `plugins.FORMATS`.

    Args:
        path: the run's folder, a suite's folder, or the CSV file.
        form: the format's name.
        metrics: only these; the CSV keeps their companions, so that it can be compared.
        width: of a text, in characters.

    Raises:
        UserError: no such run, format or metric.
    """
    write_report = FORMATS.find(form, "--format")
    return write_report(tables.load(path), metrics=metrics, width=width)


def section(path: Path, name: str, form: Literal["text", "md"] = "text") -> str:
    """Return one of the sections around the table.

    Raises:
        UserError: there is no such section, or the report has too few numbers for it.
    """
    run = tables.load(path)
    known_sections = filter(None, [opening(run), *sections(run)])
    found = next((one for one in known_sections if one.name == name), None)
    if found is None:
        known = ", ".join(NEEDS)
        hint = f"it needs {NEEDS[name]}" if name in NEEDS else f"there are {known}"
        raise UserError(f"no section '{name}' in this report", str(path), hint)
    return (found.as_markdown() if form == "md" else found.as_text()).lstrip("\n")
