"""The catalogue as JSON and as a text table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnbench.models.catalog import Entry
from cnnbench.text import shape_text

_TITLES = ("Model", "Family", "Year", "Task", "Input", "Params", "Source", "Paper")
_NUMBERS = ("Params",)


def to_json(entry: Entry) -> dict[str, Any]:
    """Return the facts about an architecture as plain values."""
    return {
        "name": entry.name,
        "family": entry.family,
        "year": entry.year,
        "task": entry.task,
        "input_shape": list(entry.input_shape),
        "params": entry.params,
        "source": entry.source,
        "paper": entry.paper,
        "min_size": entry.min_size,
    }


def table(entries: Sequence[Entry]) -> list[str]:
    """Return the lines of a table, numbers aligned to the right, the paper in the last column."""
    rows = [_TITLES, *map(_cells, entries)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(_aligned, row, widths, _TITLES)).rstrip() for row in rows]


def _cells(entry: Entry) -> tuple[str, ...]:
    return (
        entry.name,
        entry.family,
        str(entry.year or ""),
        entry.task,
        shape_text(entry.input_shape),
        "" if entry.params is None else f"{entry.params:,}",
        entry.source,
        entry.paper,
    )


def _aligned(cell: str, width: int, title: str) -> str:
    return cell.rjust(width) if title in _NUMBERS else cell.ljust(width)
