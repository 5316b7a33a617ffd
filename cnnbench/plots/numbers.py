"""Numbers on charts: those of a report with their texts, and how axes write and choose them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cnnbench.errors import UserError
from cnnbench.metrics import METRICS, Metric, split
from cnnbench.results.report import Report
from cnnbench.statistics.measurement import Measurement
from cnnbench.tasks.task import ranking_metrics
from cnnbench.units import SCALES, rounded, show

# Facts of a tooltip besides the axes, after the accuracies.
_USUAL = ("latency_p50_s", "file_bytes", "weight_bytes", "params", "macs")


class NothingToDraw(UserError):
    """A run has no numbers of the kind that a chart shows."""


@dataclass(frozen=True, eq=False)
class Quantity:
    """One column of a report that has numbers.

    Attributes:
        column, metric: its name, and the metric in it.
        axes: facts of its setting, as `Report.axes` has them.
        numbers: one per row; None where there is none.
    """

    column: str
    metric: Metric
    axes: Mapping[str, str]
    numbers: Sequence[Measurement | None]

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

    def words(self, number: Measurement) -> str:
        """``1.03 ms (0.99 ms to 1.07 ms), unstable: why``; empty where there is no value."""
        unit = self.metric.unit
        text = show(number.value, unit)
        if number.low is not None and number.high is not None:
            text += f" ({show(number.low, unit)} to {show(number.high, unit)})"
        return f"{text}, {number.verdict}" if number.is_doubtful else text

    def cell(self, number: Measurement) -> dict[str, Any]:
        """Return a number for a chart: ``value``, ``low`` and ``high``, and flags that are set."""
        found: dict[str, Any] = {"value": rounded(number.value or 0.0)}
        if number.low is not None and number.high is not None:
            found |= {"low": rounded(number.low), "high": rounded(number.high)}
        if number.is_doubtful:
            found["doubtful"] = True
        if not number.is_ranked:
            found["unranked"] = True
        return {**found, "fact": {self.head: self.words(number)}}


def quantities(report: Report) -> list[Quantity]:
    """Return the columns of a report that have a number."""
    found = []
    for name in filter(report.has_value, report.numbers):
        cells = [row.read(name) for row in report.rows]
        numbers = [cell if cell.value is not None else None for cell in cells]
        found.append(Quantity(name, METRICS[split(name)[0]], report.axes(name), numbers))
    return found


def named(found: Sequence[Quantity], *metrics: str) -> list[Quantity]:
    """Return the quantities of these metrics, in their order."""
    return [q for metric in metrics for q in found if q.metric.name == metric]


def accuracies() -> list[str]:
    """Return the metrics by which tasks rank models, measured ones first, then published ones."""
    measured = ranking_metrics()
    return measured + [name for one in measured if (name := f"published_{one}") in METRICS]


def usual_facts(found: Sequence[Quantity], row: int) -> dict[str, str]:
    """Return the usual facts of one network as text by name, from the first setting of each."""
    first = [of[0] for metric in (*accuracies(), *_USUAL) if (of := named(found, metric))]
    return {q.head: q.words(number) for q in first if (number := q.numbers[row])}


def tick_label(unit: str) -> str:
    """Return the Vega expression that writes a tick's value in its unit: ``1.5 ms``, ``4 MB``.

    ``unit`` is itself an expression, so that it may follow the reader's choice: ``'"bytes"'`` or
    ``axes[across].unit``.
    """
    value = "datum.value"
    chosen = f"format({value}, '.3~g')"
    cases = {name: _scaled(value, scales) for name, scales in SCALES.items()}
    cases["per_s"] = f"{cases['count']} + ' /s'"
    cases["fraction"] = f"format(100 * {value}, '.3~f') + ' %'"
    cases["px"] = f"format({value}, '.0f') + ' px'"
    for name, text in cases.items():
        chosen = f"{unit} == '{name}' ? {text} : {chosen}"
    return chosen


def _scaled(value: str, scales: list[tuple[float, str]]) -> str:
    texts = [
        f"format({value} / {factor!r}, '.3~r') + '{' ' + name if name else ''}'"
        for factor, name in scales
    ]
    text = texts[-1]
    for (factor, _), larger in reversed([*zip(scales, texts, strict=True)][:-1]):
        text = f"abs({value}) >= {factor!r} ? {larger} : {text}"
    return f"({value} == 0 ? '0' : {text})"


def ends(low: str, high: str, of: str) -> dict[str, str]:
    """Return the calculations of an interval's ends; where there is none both are the value.

    A layer with no values at all would leave Vega without a scale.
    """
    return {
        low: f"isValid({of}.low) ? {of}.low : {of}.value",
        high: f"isValid({of}.high) ? {of}.high : {of}.value",
    }


def choice(name: str, title: str, labels: Mapping[str, str] | Sequence[str], value: str) -> Any:
    """Return a parameter that the reader sets in a list; one option leaves nothing to set.

    Args:
        name, title: of the parameter, and what the reader sees.
        labels: option -> what the reader sees; or options that the reader sees as they are.
        value: the option that is set first.
    """
    import altair as alt

    options = list(labels)
    if len(options) < 2:
        return alt.param(name=name, value=value)
    shown = list(labels.values()) if isinstance(labels, Mapping) else options
    box = alt.binding_select(options=options, labels=shown, name=title)
    return alt.param(name=name, value=value, bind=box)


def distinct(rows: Sequence[Mapping[str, Any]], field: str) -> list[str]:
    """Return the different values of a field, in order."""
    return list(dict.fromkeys(row[field] for row in rows))
