"""Text and JSON of ``cnnbench models``: architectures and heads, filtered and sorted by cost."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Literal

from cnnbench import units
from cnnbench.errors import UserError, one_of
from cnnbench.models.catalog import FLOAT32_BYTES, Entry
from cnnbench.models.heads import Head
from cnnbench.text import natural, plural, shape_text

COSTS: dict[str, units.Unit] = {"macs": "count", "params": "count", "file_bytes": "bytes"}
"""The metrics that are known of the catalogue without building a network, with their units."""
ORDERS = (*COSTS, "name")

Side = Literal["max", "min"]

_FEW = 3  # so many models are described below their table
_LEAST_TEXT, _LEAST_TASK = 24, 14  # characters in which a column can be read
_GAP = "  "
_CLASSIFIER = "classifier_activation"


def within(
    entries: Sequence[Entry], limits: Mapping[Side, Sequence[str]]
) -> tuple[list[Entry], list[Entry]]:
    """Return the entries within limits, and those that lack a metric which is limited.

    Args:
        entries: to select from.
        limits: texts like ``macs=300M`` and ``file=10MB`` by side; see `COSTS`.

    Raises:
        UserError: another metric, no value, or a unit that does not fit the metric.
    """
    bounds = [(side, *_limit(text, f"--{side}")) for side in limits for text in limits[side]]
    known: list[Entry] = []
    unknown: list[Entry] = []
    for entry in entries:
        values = [getattr(entry, metric) for _, metric, _ in bounds]
        (unknown if None in values else known).append(entry)
    return [entry for entry in known if _is_within(entry, bounds)], unknown


def by(order: str, entries: Iterable[Entry]) -> list[Entry]:
    """Return ``entries`` from the lowest to the highest; those without the value come last.

    Raises:
        UserError: no such order; `ORDERS` has all.
    """
    resolved = _one_of(order, ORDERS, "--sort")
    if resolved == "name":
        return sorted(entries, key=lambda entry: natural(entry.name.lower()))

    def key(entry: Entry) -> tuple[bool, int]:
        value = getattr(entry, resolved)
        return value is None, value or 0

    return sorted(entries, key=key)


def _limit(text: str, option: str) -> tuple[str, float]:
    name, equals, value = (part.strip() for part in text.rpartition("="))
    if not (equals and name and value):
        raise UserError(f"'{text}' is not METRIC=VALUE", option, "for example macs=300M")
    metric = _one_of(name, COSTS, option)
    return metric, units.parse(value, COSTS[metric], f"{option} {name}")


def _one_of(name: str, valid: Iterable[str], option: str) -> str:
    """Return the name that is meant; the unit may be left out, as in ``file``."""
    of_short = {one.removesuffix("_bytes"): one for one in valid}
    return of_short[one_of(name.removesuffix("_bytes"), of_short, option, "the catalogue's facts")]


def _is_within(entry: Entry, bounds: Sequence[tuple[Side, str, float]]) -> bool:
    values = ((side, getattr(entry, metric), limit) for side, metric, limit in bounds)
    return all(value <= limit if side == "max" else value >= limit for side, value, limit in values)


@dataclass(frozen=True)
class _Column:
    """A column of the table; ``least`` is the width to which its texts may be wrapped."""

    title: str
    cell: Callable[[Entry], str]
    is_number: bool = False
    least: int | None = None


def _takes(entry: Entry) -> str:
    return ", ".join(name for name in entry.takes if name != _CLASSIFIER)


_COLUMNS = (
    _Column("Model", lambda entry: entry.name),
    _Column("MACs", lambda entry: units.show(entry.macs, COSTS["macs"]), is_number=True),
    _Column(
        "Float32", lambda entry: units.show(entry.file_bytes, COSTS["file_bytes"]), is_number=True
    ),
    _Column("Params", lambda entry: units.show(entry.params, COSTS["params"]), is_number=True),
    _Column("Input", lambda entry: shape_text(entry.input_shape)),
    _Column("Task", lambda entry: entry.task, least=_LEAST_TASK),
    _Column("Weights", lambda entry: entry.weights or "none"),
    _Column("Takes", _takes, least=_LEAST_TEXT),
    _Column("Family", lambda entry: entry.family),
    _Column("Paper", lambda entry: entry.paper, least=_LEAST_TEXT),
)


def table(entries: Sequence[Entry], width: int | None = None) -> list[str]:
    """Return the lines of a table of entries, and what its figures mean.

    Args:
        entries: in the order of the table.
        width: in characters; columns that it has no room for are left out and named. By default
            all columns, one line an entry.
    """
    columns = list(_COLUMNS)
    left_out: list[str] = []
    while width and sum(_widths(entries, columns, least=True)) > width - 2 * (len(columns) - 1):
        left_out.insert(0, columns.pop().title)
    lines = _lines(entries, columns, width)
    if width and left_out and len(entries) <= _FEW:
        for entry in entries:
            lines += ["", *textwrap.wrap(f"{entry.name}: {_described(entry)}", width)]
    note = (
        f"Float32: estimated file size, {FLOAT32_BYTES} bytes a parameter. Every model takes "
        "input_shape and classes."
    )
    if left_out and len(entries) > _FEW:
        titles = ", ".join(title.lower() for title in left_out)
        note += f" Not shown: {titles}; name a model, or use a wider terminal."
    return [*lines, "", *textwrap.wrap(note, width or 1000)]


def head_table(heads: Mapping[str, Head], width: int | None = None) -> list[str]:
    """Return the lines of a table of heads, and how to name a model with one."""
    rows = [("Head", "Task", ""), *((f"+{n}", one.task, one.summary) for n, one in heads.items())]
    name, task, summary = (max(map(len, column)) for column in zip(*rows, strict=True))
    if width:
        summary = max(_LEAST_TEXT, width - name - task - 2 * len(_GAP))
    lines = []
    for cells in rows:
        first, *more = textwrap.wrap(cells[2], summary) or [""]
        lines.append(_GAP.join((cells[0].ljust(name), cells[1].ljust(task), first)).rstrip())
        lines += [" " * (name + task + 2 * len(_GAP)) + line for line in more]
    example = f"MobileNetV2+{next(iter(heads))}"
    return [*lines, f"A head goes on any backbone: BACKBONE+HEAD, for example {example}."]


def head_json(name: str, head: Head) -> dict[str, Any]:
    """Return the facts about a head with the keys of `Entry.to_json`."""
    parameters = inspect.signature(head.attach).parameters.values()
    takes = tuple(one.name for one in parameters if one.kind is one.KEYWORD_ONLY)
    entry = Entry(
        f"+{name}", "head", None, "", (), None, None, "head", "", 0, head.task, takes=takes
    )
    return {**entry.to_json(), "summary": head.summary}


def left_out(entries: Sequence[Entry]) -> str:
    """Return a remark on entries whose costs are unknown, as those of other packages."""
    names = ", ".join(entry.name for entry in entries)
    return f"{plural(len(entries), 'model')} left out, as no count is known: {names}"


def _described(entry: Entry) -> str:
    takes = f"takes {_takes(entry)}" if _takes(entry) else "takes no other parameter"
    family = f"of the family {entry.family}"
    return "; ".join(filter(None, (takes, family, entry.paper)))


def _lines(entries: Sequence[Entry], columns: Sequence[_Column], width: int | None) -> list[str]:
    widths = _widths(entries, columns, least=width is not None)
    if width:
        room = width - sum(widths) - len(_GAP) * (len(widths) - 1)
        for place, whole in enumerate(_widths(entries, columns)):
            more = min(room, whole - widths[place])
            widths[place] += more
            room -= more
    titles = [column.title for column in columns]
    rows = [titles, *([column.cell(entry) for column in columns] for entry in entries)]
    return [line for row in rows for line in _row(row, columns, widths)]


def _row(cells: Sequence[str], columns: Sequence[_Column], widths: Sequence[int]) -> Iterator[str]:
    """Yield the lines of one row; a cell that is wider than its column is wrapped."""
    wrapped = (_wrapped(cell, width) for cell, width in zip(cells, widths, strict=True))
    for parts in zip_longest(*wrapped, fillvalue=""):
        aligned = (
            part.rjust(width) if column.is_number else part.ljust(width)
            for part, column, width in zip(parts, columns, widths, strict=True)
        )
        yield _GAP.join(aligned).rstrip()


def _wrapped(cell: str, width: int) -> list[str]:
    """Return the lines of a cell, broken between words, or behind ``_`` and ``/`` of long ones."""
    if len(cell) <= width:
        return [cell]
    is_broken = any(len(word) > width for word in cell.split())
    lines = [""]
    for word in re.split(r"(?<=[ _/])" if is_broken else r"(?<= )", cell):
        if lines[-1] and len(lines[-1] + word.rstrip()) > width:
            lines.append("")
        lines[-1] += word
    return lines


def _widths(entries: Sequence[Entry], columns: Sequence[_Column], least: bool = False) -> list[int]:
    """Return the widths of columns, or with ``least`` the smallest that can be read."""
    found = []
    for column in columns:
        widest = max(len(cell) for cell in (column.title, *map(column.cell, entries)))
        found.append(min(widest, column.least) if least and column.least else widest)
    return found
