"""The files that are made from a run, and the texts that are shown of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from cnnbench import plots
from cnnbench.errors import UserError
from cnnbench.files import replace_text
from cnnbench.report import html, layout, table
from cnnbench.report.sections import sections
from cnnbench.results import csv_files, tables
from cnnbench.results.tables import Run
from cnnbench.statistics.ranks import FEWEST_RANKS

Format = Literal["text", "md", "csv"]


def write(folder: Path) -> None:
    """Make the tables and ``report.html`` anew from the journal.

    A file is replaced in one step. Raises OSError where the folder cannot be written.
    """
    run = tables.load(folder)
    for name, text in contents(run).items():
        replace_text(folder / name, text)
    replace_text(folder / "report.html", html.page(run))


def contents(run: Run) -> dict[str, str]:
    """The tables that `write` makes, by file name."""
    return {
        "records.csv": csv_files.to_csv(run.records),
        "report.csv": csv_files.to_csv(run.report),
        "report.md": _markdown(run),
    }


def page(path: Path) -> str:
    """``report.html`` of a run, or of a bare ``report.csv``."""
    return html.page(tables.load(path))


def picture(path: Path, across: str = "", up: str = "") -> str:
    """Return the trade-off plot of a run as SVG; see `cnnbench.plots.tradeoff`."""
    return plots.svg(plots.tradeoff(tables.load(path), across, up))


def pixels(path: Path, across: str = "", up: str = "") -> bytes:
    """Return the trade-off plot of a run as PNG; see `picture`."""
    return plots.png(plots.tradeoff(tables.load(path), across, up))


def text(
    path: Path, form: Format = "text", *, metrics: Sequence[str] = (), width: int = 160
) -> str:
    """The report of a run (or of a bare ``report.csv``) as it is printed.

    ``width`` is that of a text, in characters. ``metrics`` chooses the columns; the CSV keeps what
    belongs to them (intervals, samples, status), so that it can be compared.
    """
    run = tables.load(path)
    if form == "csv":
        return csv_files.to_csv(layout.about(metrics, run.report))
    if form == "md":
        return _markdown(run, metrics)
    shown = table.as_text(run.report, run.environment, width, metrics)
    return shown if metrics else "".join([shown, *(s.as_text() for s in sections(run.report))])


def section(path: Path, name: str, form: Literal["text", "md"] = "text") -> str:
    """One section of those below the table.

    Raises:
        UserError: the report has too few numbers for it.
    """
    found = next((one for one in sections(tables.load(path).report) if one.name == name), None)
    if found is None:
        what = f"latencies of {FEWEST_RANKS} networks by two call paths, or by one and by Keras"
        raise UserError(f"no section '{name}' in this report", str(path), f"it needs {what}")
    return (found.as_markdown() if form == "md" else found.as_text()).lstrip("\n")


def _markdown(run: Run, metrics: Sequence[str] = ()) -> str:
    """The table, and the sections below it where no columns are asked for."""
    shown = table.as_markdown(run.report, run.environment, metrics)
    return shown if metrics else "".join([shown, *(s.as_markdown() for s in sections(run.report))])
