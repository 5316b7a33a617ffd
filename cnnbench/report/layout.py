"""Columns of a report that people are shown, in order, with their heads.

In the style of Table 14-3 of *Hands-On Machine Learning* (3rd ed., ch. 14): size, accuracy,
parameters, depth, work, memory, time. Published figures come last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from cnnbench.metrics import METRICS, Metric, column, cut, matching, of_column, split
from cnnbench.results.csv_files import value_column
from cnnbench.results.report import DRIFTING, REFERENCE, Report
from cnnbench.statistics.measurement import Measurement
from cnnbench.units import show

_FIRST = ("Network", "Memory", "Latency", "Accuracy", "Compression")


def groups() -> dict[str, tuple[str, ...]]:
    """Return heading -> its metrics, in the order in which people are shown them.

    Headings of other packages' probes come after cnnbench's own, published figures last.
    """
    shown = sorted((m for m in METRICS.values() if m.group), key=lambda metric: metric.rank)
    published = dict.fromkeys(metric.group for metric in shown if metric.is_published)
    measured = dict.fromkeys(metric.group for metric in shown if not metric.is_published)
    headings = [*(name for name in _FIRST if name in measured), *measured, *published]
    return {
        name: tuple(metric.name for metric in shown if metric.group == name)
        for name in dict.fromkeys(headings)
    }


@dataclass(frozen=True)
class Column:
    """Column of the shown table: the report's column and its head.

    ``label`` is its setting, or its shortest unambiguous beginning followed by ``/…``.
    """

    name: str
    group: str
    metric: Metric
    label: str

    @property
    def head(self) -> str:
        return f"{self.metric.title} {self.label}".strip()

    @property
    def is_published(self) -> bool:
        return self.metric.is_published


@dataclass(frozen=True)
class Cell:
    """One shown value: its text, whether it is the best of its column, whether it is doubtful."""

    text: str
    is_best: bool = False
    is_doubtful: bool = False


def columns(report: Report, wanted: Sequence[str] = ()) -> list[Column]:
    """Return the columns of ``report`` that are shown; those without any value are left out.

    ``wanted`` are metrics, with or without their unit and setting (``file``,
    ``latency_p50@cpu/litert/b1``); they are shown in that order, in place of the usual ones.

    Raises:
        UserError: a wanted metric that the report does not have.
    """
    labels = short_labels(report)
    usual = [
        Column(name, group, METRICS[metric], labels[split(name)[1]])
        for group, metrics in groups().items()
        for metric in metrics
        for name in report.numbers
        if split(name)[0] == metric and report.has_value(name)
    ]
    return [c for name in wanted for c in _wanted(name, report, labels)] if wanted else usual


def short_labels(report: Report) -> dict[str, str]:
    """Return setting -> its shortest unambiguous form, for every setting of ``report``."""
    return cut(split(name)[1] for name in report.columns)


def _wanted(expression: str, report: Report, labels: Mapping[str, str]) -> list[Column]:
    return [
        Column(name, metric.group or "Measured", metric, labels[split(name)[1]])
        for name in _named(expression, report)
        if (metric := of_column(name)) and report.has_value(name)
    ]


def _named(expression: str, report: Report) -> list[str]:
    values = [name for name in report.columns if of_column(name) is not None]
    return matching(expression, values, "--metric")


def about(wanted: Sequence[str], report: Report) -> Report:
    """Return ``report`` with only ``wanted`` metrics, their companions, and other columns.

    Times keep the reference timed with them, which comparing with another run needs.

    Raises:
        UserError: as `columns`.
    """
    if not wanted:
        return report
    chosen = {name for expression in wanted for name in _named(expression, report)}
    times = [name for name in chosen if METRICS[split(name)[0]].unit in DRIFTING]
    beside = {column(f"{REFERENCE}_samples", split(name)[1]) for name in times}
    return report.only(
        name for name in report.columns if name in beside or value_column(name) in ("", *chosen)
    )


def cells(report: Report, shown: Column) -> list[Cell]:
    """Return the values of one column as people read them, the best marked."""
    found = [row.read(shown.name) for row in report]
    best = _best([one.value for one in found if one.value is not None], shown)
    return [
        Cell(
            _text(one, shown.metric),
            is_best=one.value is not None and one.value == best and not one.is_doubtful,
            is_doubtful=one.is_doubtful,
        )
        for one in found
    ]


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows of cells as lines: the first column left-aligned, the others right-aligned.

    Blanks at the end of a cell only widen its column.
    """
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        name, *cells = (cell.rstrip() for cell in row)
        room = zip(cells, widths[1:], strict=True)
        right = [" " * (width - cell_len(cell)) + cell for cell, width in room]
        lines.append("  ".join([name + " " * (widths[0] - cell_len(name)), *right]).rstrip())
    return lines


def _best(values: Sequence[float], shown: Column) -> float | None:
    """Return the best of all values; a doubtful one hides those that it beats."""
    if shown.metric.better is None or len(set(values)) < 2:
        return None
    return min(values) if shown.metric.better == "lower" else max(values)


def _text(found: Measurement, metric: Metric) -> str:
    text = show(found.value, metric.unit)
    if not found.value or found.low is None or found.high is None:
        return text
    half = (found.high - found.low) / 2
    if metric.unit == "fraction":
        return f"{text[:-2]} ± {100 * half:.1f} %"
    return f"{text} ± {100 * half / abs(found.value):.1f} %"
