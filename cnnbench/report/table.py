"""The table for a terminal and for Markdown."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cnnbench.core.terminal import printable
from cnnbench.report import layout
from cnnbench.report.layout import Cell, Column
from cnnbench.report.markdown import markdown
from cnnbench.report.remarks import remarks

_HEAD_WIDTH = 22
_EMPTY = "There is nothing in this run yet: no job has left a record."
_LEGEND = (
    "* best of its column   ? doubtful, see below   "
    "± half the 95 % interval (of fewer than six processes: half their range)"
)


def as_text(
    report: pd.DataFrame,
    environment: Mapping[str, Any],
    width: int,
    metrics: Sequence[str] = (),
) -> str:
    """The report as plain text: a block a group of columns, then what failed and why."""
    if report.empty:
        return f"{_EMPTY}\n"
    stream = io.StringIO()
    console = Console(file=stream, width=width, highlight=False, no_color=True)
    for group, shown in groupby(layout.columns(report, metrics), key=lambda column: column.group):
        console.print(_block(report, group, list(shown)))
        console.print()
    console.print(_LEGEND, markup=False)
    console.print(printable(machine(environment)), markup=False, soft_wrap=True)
    for line in remarks(report, metrics):
        console.print(f"- {printable(line)}", markup=False, soft_wrap=True)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def as_markdown(
    report: pd.DataFrame, environment: Mapping[str, Any], metrics: Sequence[str] = ()
) -> str:
    """The report as one Markdown table, what others published at its right end in italics."""
    if report.empty:
        return f"{_EMPTY}\n"
    shown = layout.columns(report, metrics)
    heads = ["Model", *(_markdown_head(column) for column in shown)]
    rows = [[markdown(name) for name in layout.row_names(report)]]
    rows += [
        [_markdown_cell(cell, column) for cell in layout.cells(report, column)] for column in shown
    ]
    lines = ["| " + " | ".join(heads) + " |", "|---" + "|---:" * len(shown) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in zip(*rows, strict=True)]
    lines += ["", markdown(machine(environment)), ""]
    lines += [
        "Bold: best of its column. ?: doubtful, see below. ±: half the 95 % interval "
        "(of fewer than six processes: half their range). "
        "In italics: published by Keras, measured elsewhere."
    ]
    said = [f"- {markdown(line)}" for line in remarks(report, metrics)]
    return "\n".join([*lines, *([""] if said else []), *said]) + "\n"


def machine(environment: Mapping[str, Any]) -> str:
    """Where it was measured, in a line."""
    facts = environment.get("fingerprint", {})
    libraries = facts.get("libraries", {})
    words = [
        f"{facts.get('cpu', 'unknown CPU')}, {facts.get('cores', '?')} cores",
        f"{facts.get('ram_gib', '?')} GiB",
        *([str(facts["gpu"])] if facts.get("gpu") else []),
        str(facts.get("os", "")),
        *(
            f"{name} {libraries[name]}"
            for name in ("tensorflow", "keras", "ai-edge-litert")
            if name in libraries
        ),
    ]
    return "Measured here: " + "; ".join(words)


def _block(report: pd.DataFrame, group: str, shown: list[Column]) -> Table:
    table = Table(title=group, title_justify="left", box=None, pad_edge=False, title_style="bold")
    table.add_column("Model", no_wrap=True)
    for column in shown:
        head = "\n".join([column.metric.title, *_folded(printable(column.label))])
        table.add_column(head, justify="right", no_wrap=True, overflow="fold")
    values = [[_text_cell(cell) for cell in layout.cells(report, column)] for column in shown]
    for index, name in enumerate(layout.row_names(report)):
        row = (name, *(column[index] for column in values))
        table.add_row(*(escape(printable(cell)) for cell in row))
    return table


def _folded(label: str) -> list[str]:
    """A long setting over several lines, broken at its slashes, else where it must be."""
    lines: list[str] = []
    for part in label.split("/") if label else []:
        if lines and len(lines[-1]) + len(part) < _HEAD_WIDTH:
            lines[-1] += f"/{part}"
        else:
            lines += textwrap.wrap(f"/{part}" if lines else part, _HEAD_WIDTH)
    return lines


def _text_cell(cell: Cell) -> str:
    if not cell.text:
        return "-"
    return f"{cell.text} {'?' if cell.is_doubtful else '*' if cell.is_best else ' '}"


def _markdown_head(column: Column) -> str:
    head = markdown(column.head)
    return f"*{head}*" if column.is_published else head


def _markdown_cell(cell: Cell, column: Column) -> str:
    text = markdown(cell.text) + (" ?" if cell.is_doubtful else "")
    if column.is_published and text:
        return f"*{text}*"
    return f"**{text}**" if cell.is_best else text
