"""Table of a report for a terminal and for Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from rich.cells import cell_len

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
    names = [printable(row.name) for row in report]
    columns = layout.columns(report, metrics)
    lines: list[str] = []
    for group, shown in groupby(columns, key=lambda column: column.group):
        for block in _blocks(names, [_printed(report, column) for column in shown], width):
            lines += _table(group, names, block)
    marks = {
        "*": "best of its column (not necessarily significant)",
        "?": "doubtful, see below",
        "±": _RANGE,
    }
    used = _marks([cell for column in columns for cell in layout.cells(report, column)])
    if used:
        lines.append("   ".join(f"{mark} {words}" for mark, words in marks.items() if mark in used))
    lines += map(printable, machine(environment))
    lines += (f"- {printable(line)}" for line in remarks(report, metrics))
    return "\n".join(lines) + "\n"


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


class _Printed(NamedTuple):
    """Column on a terminal: the lines of its head, and its cells."""

    head: list[str]
    cells: list[str]


def _printed(report: Report, column: Column) -> _Printed:
    cells = [printable(_text_cell(cell)) for cell in layout.cells(report, column)]
    return _Printed([column.metric.title, *_folded(printable(column.label))], cells)


def _blocks(names: list[str], columns: Iterable[_Printed], width: int) -> Iterator[list[_Printed]]:
    """Yield as many columns side by side as fit whole; cut numbers would mislead."""
    block: list[_Printed] = []
    left = first = width - max(map(cell_len, ("Model", *names)))
    for column in columns:
        needed = 2 + max(map(cell_len, (*column.head, *column.cells)))
        if block and needed > left:
            yield block
            block, left = [], first
        block.append(column)
        left -= needed
    yield block


def _table(group: str, names: list[str], block: list[_Printed]) -> list[str]:
    """Return the lines of a block under the heading of its group, and an empty one."""
    deep = max(len(column.head) for column in block)
    columns = [_Printed(["Model"], names), *block]
    filled = [[*[""] * (deep - len(head)), *head, *cells] for head, cells in columns]
    lines = layout.aligned(list(zip(*filled, strict=True)))
    return [*textwrap.wrap(group, max(map(cell_len, lines))), *lines, ""]


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
