"""Table of a report for a terminal and for Markdown."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cnnbench.markdown import markdown
from cnnbench.report import layout
from cnnbench.report.layout import Cell, Column
from cnnbench.report.remarks import remarks
from cnnbench.results.report import Report
from cnnbench.text import printable

_HEAD_WIDTH = 22
_EMPTY = "This run is empty: no job has finished yet."
_RANGE = "half the 95 % interval (with fewer than six processes: half the range, except accuracies)"


def as_text(
    report: Report,
    environment: Mapping[str, Any],
    width: int,
    metrics: Sequence[str] = (),
) -> str:
    """Return the report as plain text: a block per group of columns, then notes."""
    if not report.rows:
        return f"{_EMPTY}\n"
    stream = io.StringIO()
    # Wider than any block: a name may be longer than the terminal is wide.
    console = Console(file=stream, width=10_000, highlight=False, no_color=True)
    names = [printable(row.name) for row in report]
    columns = layout.columns(report, metrics)
    for group, shown in groupby(columns, key=lambda column: column.group):
        for block in _blocks(names, [_printed(report, column) for column in shown], width):
            console.print(_table(group, names, block))
            console.print()
    marks = {
        "*": "best of its column (not necessarily significant)",
        "?": "doubtful, see below",
        "±": _RANGE,
    }
    used = _marks([cell for column in columns for cell in layout.cells(report, column)])
    if used:
        legend = "   ".join(f"{mark} {words}" for mark, words in marks.items() if mark in used)
        console.print(legend, markup=False, soft_wrap=True)
    for line in machine(environment):
        console.print(printable(line), markup=False, soft_wrap=True)
    for line in remarks(report, metrics):
        console.print(f"- {printable(line)}", markup=False, soft_wrap=True)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def as_markdown(report: Report, environment: Mapping[str, Any], metrics: Sequence[str] = ()) -> str:
    """Return the report as one Markdown table, published figures at its right in italics."""
    if not report.rows:
        return f"{_EMPTY}\n"
    shown = layout.columns(report, metrics)
    heads = ["Model", *(_markdown_head(column) for column in shown)]
    cells = [layout.cells(report, column) for column in shown]
    rows = [[markdown(row.name) for row in report]]
    rows += [
        [_markdown_cell(cell, column) for cell in of]
        for column, of in zip(shown, cells, strict=True)
    ]
    lines = ["| " + " | ".join(heads) + " |", "|---" + "|---:" * len(shown) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in zip(*rows, strict=True)]
    lines += [""]
    for line in machine(environment):
        lines += [markdown(line), ""]
    marks = {
        "*": "Bold: best of its column (not necessarily significant).",
        "?": "?: doubtful, see below.",
        "±": f"±: {_RANGE}.",
    }
    used = _marks([cell for of in cells for cell in of])
    legend = [words for mark, words in marks.items() if mark in used]
    if any(column.is_published for column in shown):
        legend.append("In italics: published by Keras, measured elsewhere.")
    lines += [" ".join(legend)] if legend else []
    said = [f"- {markdown(line)}" for line in remarks(report, metrics)]
    return "\n".join([*lines, *([""] if said else []), *said]) + "\n"


def _marks(cells: Iterable[Cell]) -> set[str]:
    """Return the marks used in a table: only these are explained."""
    found = set()
    for cell in cells:
        found |= {"?"} if cell.is_doubtful else set()
        found |= {"*"} if cell.is_best else set()
        found |= {"±"} if "±" in cell.text else set()
    return found


def machine(environment: Mapping[str, Any]) -> list[str]:
    """Return a line on the machine; nothing where it is not known."""
    facts = environment.get("fingerprint", {})
    if not facts:
        return []
    libraries, quota = facts.get("libraries", {}), facts.get("cpu_quota_cores")
    limited = f" (limited to {quota} by a CPU quota)" if quota else ""
    words = [
        f"{facts.get('cpu', 'unknown CPU')}, {facts.get('cores', '?')} cores{limited}",
        f"{facts.get('ram_gib', '?')} GiB",
        *([str(facts["gpu"])] if facts.get("gpu") else []),
        str(facts.get("os", "")),
        *(
            f"{name} {libraries[name]}"
            for name in ("tensorflow", "keras", "ai-edge-litert")
            if name in libraries
        ),
    ]
    return ["Measured here: " + "; ".join(words)]


@dataclass(frozen=True)
class _Printed:
    """Column on a terminal: the lines of its head, and its cells."""

    head: list[str]
    cells: list[str]

    @property
    def width(self) -> int:
        return max(map(cell_len, (*self.head, *self.cells)))


def _printed(report: Report, column: Column) -> _Printed:
    cells = [printable(_text_cell(cell)) for cell in layout.cells(report, column)]
    return _Printed([column.metric.title, *_folded(printable(column.label))], cells)


def _blocks(names: list[str], columns: Iterable[_Printed], width: int) -> Iterator[list[_Printed]]:
    """Yield as many columns side by side as fit whole; cut numbers would mislead."""
    block: list[_Printed] = []
    for column in columns:
        if block and _width(names, [*block, column]) > width:
            yield block
            block = []
        block.append(column)
    yield block


def _width(names: list[str], block: list[_Printed]) -> int:
    return max(map(cell_len, ("Model", *names))) + sum(2 + column.width for column in block)


def _table(group: str, names: list[str], block: list[_Printed]) -> Table:
    table = Table(title=group, title_justify="left", box=None, pad_edge=False, title_style="bold")
    table.add_column("Model", no_wrap=True)
    for column in block:
        table.add_column(escape("\n".join(column.head)), justify="right", no_wrap=True)
    for row in zip(names, *(column.cells for column in block), strict=True):
        table.add_row(*map(escape, row))
    return table


def _folded(label: str) -> list[str]:
    """Return a long setting over several lines, broken at slashes where possible."""
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
