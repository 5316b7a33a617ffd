"""Table of a report for a terminal and for Markdown."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby
from types import MappingProxyType
from typing import Any, NamedTuple

from rich.cells import cell_len

from cnnbench.markdown import markdown
from cnnbench.report import layout
from cnnbench.report.layout import Cell, Column
from cnnbench.report.remarks import remarks
from cnnbench.results.report import Report
from cnnbench.text import printable

_HEAD_WIDTH = 22
_NAME_WIDTH = 30  # at least, before a name is broken
_EMPTY = "This run is empty: no job has finished yet."
_RANGE = "half the 95 % interval (with fewer than six processes: half the range, except accuracies)"


def as_text(
    report: Report,
    environment: Mapping[str, Any],
    width: int,
    metrics: Sequence[str] = (),
    machines: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> str:
    """Return the report as plain text: a block per group of columns, then notes."""
    if not report.rows:
        return f"{_EMPTY}\n"
    names = [_name_lines(printable(row.name), max(width // 2, _NAME_WIDTH)) for row in report]
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
    lines += map(printable, machine_lines(environment, machines))
    lines += (f"- {printable(line)}" for line in remarks(report, metrics))
    return "\n".join(lines) + "\n"


def as_markdown(
    report: Report,
    environment: Mapping[str, Any],
    metrics: Sequence[str] = (),
    machines: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> str:
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
    for line in machine_lines(environment, machines):
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


def machine_lines(
    environment: Mapping[str, Any], machines: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """Return a line on the machine, or on each of several; nothing where they are not known."""
    if not machines:
        return machine(environment)
    return [line for label, facts in machines.items() for line in machine(facts, label)]


def machine(environment: Mapping[str, Any], label: str = "") -> list[str]:
    """Return a line on the machine, which begins with ``label``; nothing where it is not known."""
    facts = environment.get("fingerprint", {})
    if not facts:
        return []
    called = environment.get("name")
    label = label or (f"Measured on {called}" if called else "Measured here")
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
    return [f"{label}: " + "; ".join(words)]


class _Printed(NamedTuple):
    """Column on a terminal: the lines of its head, and its cells."""

    head: list[str]
    cells: list[str]


def _printed(report: Report, column: Column) -> _Printed:
    cells = [printable(_text_cell(cell)) for cell in layout.cells(report, column)]
    return _Printed([column.metric.title, *_folded(printable(column.label))], cells)


def _blocks(
    names: list[list[str]], columns: Iterable[_Printed], width: int
) -> Iterator[list[_Printed]]:
    """Yield as many columns side by side as fit whole; cut numbers would mislead."""
    block: list[_Printed] = []
    left = first = width - max(map(cell_len, ("Model", *chain(*names))))
    for column in columns:
        needed = 2 + max(map(cell_len, (*column.head, *column.cells)))
        if block and needed > left:
            yield block
            block, left = [], first
        block.append(column)
        left -= needed
    yield block


def _table(group: str, names: list[list[str]], block: list[_Printed]) -> list[str]:
    """Return the lines of a block under the heading of its group, and an empty one.

    A name may take several lines; its numbers stand in the first.
    """
    deep = max(len(column.head) for column in block)
    heads = [[*[""] * (deep - len(head)), *head] for head in (["Model"], *(c.head for c in block))]
    rows = [*zip(*heads, strict=True)]
    for name, *cells in zip(names, *(column.cells for column in block), strict=True):
        rows.append((name[0], *cells))
        rows += [(line, *[""] * len(cells)) for line in name[1:]]
    lines = layout.aligned(rows)
    return [*textwrap.wrap(group, max(map(cell_len, lines))), *lines, ""]


def _name_lines(name: str, width: int) -> list[str]:
    """Return a name over as many lines as it needs, broken at the joints of its parameters."""
    lines = [""]
    for part in re.split(r"(?<=[,\[/])|(?=[+])", name):
        if lines[-1].strip() and cell_len(lines[-1] + part) > width:
            lines.append("  ")
        lines[-1] += part
    return lines


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
