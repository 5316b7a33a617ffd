"""Adapter from a report to charts: numbers with their intervals, verdicts and texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from cnnbench.metrics import Metric, of_column, split
from cnnbench.results.report import Report
from cnnbench.results.tables import Run
from cnnbench.row import Row
from cnnbench.statistics.measurement import Measurement
from cnnbench.units import rounded, show

# Facts of a tooltip besides the axes, from the first setting that has them.
_USUAL = ("top1", "published_top1", "latency_p50_s", "file_bytes", "weight_bytes", "params", "macs")


@dataclass(frozen=True)
class Quantity:
    """One column of a report that has numbers."""

    column: str
    metric: Metric

    @property
    def setting(self) -> str:
        return split(self.column)[1]

    @property
    def title(self) -> str:
        """The metric as people call it."""
        return f"{self.metric.title}{', published' * self.metric.is_published}"

    @property
    def head(self) -> str:
        """Title and setting."""
        return f"{self.title} {self.setting}".strip()


class Numbers:
    """The numbers of a report.

    Args:
        source: a `Run`, or a table as ``report.csv`` has it.

    Raises:
        UserError: it is neither.
    """

    def __init__(self, source: Run | pd.DataFrame) -> None:
        report = Report.of(source)
        self.rows = report.rows
        names = report.numbers
        found = [Quantity(name, metric) for name in names if (metric := of_column(name))]
        self._columns = {quantity: self._read(quantity) for quantity in found}
        self.quantities = [quantity for quantity in found if any(self.column(quantity))]

    def column(self, quantity: Quantity) -> list[Measurement | None]:
        """Return the numbers of all rows; None where there is none."""
        return self._columns[quantity]

    def _read(self, quantity: Quantity) -> list[Measurement | None]:
        cells = [row.read(quantity.column) for row in self.rows]
        return [cell if cell.value is not None else None for cell in cells]

    def named(self, *metrics: str) -> list[Quantity]:
        """Return the quantities of these metrics, in their order."""
        return [q for metric in metrics for q in self.quantities if q.metric.name == metric]

    def usual(self, row: Row) -> dict[str, str]:
        """Return the usual facts of a network, as text by name."""
        first = [found[0] for metric in _USUAL if (found := self.named(metric))]
        return {q.head: text for q in first if (text := words(row.read(q.column), q))}


def cell(number: Measurement, quantity: Quantity) -> dict[str, Any]:
    """Return a number for a chart: ``value``, ``low`` and ``high``, and flags that are set."""
    found: dict[str, Any] = {"value": rounded(number.value or 0.0)}
    if number.low is not None and number.high is not None:
        found |= {"low": rounded(number.low), "high": rounded(number.high)}
    if number.is_doubtful:
        found["doubtful"] = True
    if not number.is_ranked:
        found["unranked"] = True
    return {**found, "fact": {quantity.head: words(number, quantity)}}


def axis(numbers: Numbers, quantity: Quantity) -> dict[str, Any]:
    """Return the facts of a quantity that an axis needs."""
    return {
        "head": quantity.head,
        "unit": quantity.metric.unit,
        "better": quantity.metric.better,
        "positive": all((n.value or 0) > 0 for n in numbers.column(quantity) if n is not None),
    }


def words(number: Measurement, quantity: Quantity) -> str:
    """``1.03 ms (0.99 ms to 1.07 ms), unstable: why``; empty where there is none."""
    unit = quantity.metric.unit
    text = show(number.value, unit)
    if number.low is not None and number.high is not None:
        text += f" ({show(number.low, unit)} to {show(number.high, unit)})"
    return f"{text}, {number.verdict}" if number.is_doubtful else text
