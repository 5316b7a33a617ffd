"""Sections of a report below its table: the same text for a terminal, Markdown and HTML."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cnnbench.markdown import markdown
from cnnbench.metrics import METRICS, column, family, split
from cnnbench.report import layout
from cnnbench.results.report import Report
from cnnbench.row import Row
from cnnbench.statistics.measurement import Measurement
from cnnbench.text import printable


@dataclass(frozen=True)
class Block:
    """A table of text cells; its first column is left-aligned."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Section:
    """Tables, followed by notes on them.

    Attributes:
        name: anchor in the HTML page.
        short: title in the menu of the page.
        title, introduction: heading, and how to read the tables.
        blocks: the tables.
        notes_title, notes: conclusions, one line each.
    """

    name: str
    short: str
    title: str
    introduction: str
    blocks: tuple[Block, ...]
    notes_title: str = ""
    notes: tuple[str, ...] = ()

    def as_text(self) -> str:
        """Return the section as plain text, after an empty line."""
        return "\n".join(["", *map(printable, self._text_lines())]) + "\n"

    def as_markdown(self) -> str:
        """Return the section as Markdown, after an empty line."""
        return "\n".join(["", *self._markdown_lines()]) + "\n"

    def _text_lines(self) -> Iterator[str]:
        yield from (self.title, "", self.introduction)
        for block in self.blocks:
            yield from ("", block.title, *layout.aligned([block.heads, *block.rows]))
        if self.notes:
            yield from ("", self.notes_title, *(f"- {note}" for note in self.notes))

    def _markdown_lines(self) -> Iterator[str]:
        yield from (f"## {self.title}", "", markdown(self.introduction))
        for block in self.blocks:
            yield from ("", f"**{markdown(block.title)}**", "")
            yield "| " + " | ".join(markdown(head) for head in block.heads) + " |"
            yield "|---" + "|---:" * (len(block.heads) - 1) + "|"
            yield from ("| " + " | ".join(map(markdown, row)) + " |" for row in block.rows)
        if self.notes:
            yield from ("", f"**{markdown(self.notes_title)}**", "")
            yield from (f"- {markdown(note)}" for note in self.notes)


def far_apart(networks: int) -> int:
    """Return the least difference of ranks that is noted: a quarter of the table, at least 3."""
    return max(3, math.ceil(networks / 4))


def settings_of(report: Report) -> dict[str, Mapping[str, str]]:
    """Return the settings with latencies, ``cpu/litert/b1``, in order, each with its axes.

    Times without a setting or without a runtime, as in a hand-made table, are omitted.
    """
    shown = _shown_times()
    found = {
        split(name)[1]: report.axes(name)
        for name in report.numbers
        if split(name)[0] in shown and report.has_value(name)
    }
    return {label: axes for label, axes in found.items() if {"device", "runtime"} <= axes.keys()}


def measured_time(row: Row, setting: str) -> Measurement:
    """Return the time of a call: the first latency that tables show and ``row`` has."""
    found = [row.read(column(metric, setting)) for metric in _shown_times()]
    return next((one for one in found if one.value is not None), found[-1])


def _shown_times() -> list[str]:
    return [name for name in family("latency") if METRICS[name].group]
