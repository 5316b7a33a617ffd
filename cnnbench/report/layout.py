"""Which columns of a report people are shown, in which order, under which heads.

In the style of Table 14-3 of *Hands-On Machine Learning* (3rd ed., ch. 14): size, accuracy,
parameters, depth, work, memory, time. What others published stands apart, at the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from cnnbench.metrics import METRICS, Metric, column, cut, matching, of_column, split
from cnnbench.results import merge
from cnnbench.results.measured import DRIFTING
from cnnbench.statistics.estimates import is_unstable
from cnnbench.units import show

_FIRST = ("Network", "Memory", "Latency", "Accuracy", "Compression")


def groups() -> dict[str, tuple[str, ...]]:
    """Return heading -> its metrics, in the order in which people are shown them.

    Headings of other packages' probes come after cnnbench's own, what others published last.
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
    """One column of the shown table: where its values are and what stands over them.

    ``label`` is its setting, or as much of it as tells it from the others, and then ``/…``.
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


def columns(report: pd.DataFrame, wanted: Sequence[str] = ()) -> list[Column]:
    """The columns of ``report`` that are shown; one with no value in any row is left out.

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
        for name in report.columns
        if split(name)[0] == metric and report[name].notna().any()
    ]
    return [c for name in wanted for c in _wanted(name, report, labels)] if wanted else usual


def short_labels(report: pd.DataFrame) -> dict[str, str]:
    """How every setting of ``report`` is written for people: cut where its beginning is enough."""
    return cut(split(str(name))[1] for name in report.columns)


def _wanted(expression: str, report: pd.DataFrame, labels: Mapping[str, str]) -> list[Column]:
    return [
        Column(name, _group_of(split(name)[0]), METRICS[split(name)[0]], labels[split(name)[1]])
        for name in _named(expression, report)
        if report[name].notna().any()
    ]


def _named(expression: str, report: pd.DataFrame) -> list[str]:
    values = [str(name) for name in report.columns if of_column(str(name)) is not None]
    return matching(expression, values, "--metric")


def about(wanted: Sequence[str], report: pd.DataFrame) -> pd.DataFrame:
    """``report`` with the columns of ``wanted`` metrics, their companions, and those of no metric.

    Of times the reference that was timed beside them is one: without it they could be compared
    with no other run's.

    Raises:
        UserError: as `columns`.
    """
    if not wanted:
        return report
    chosen = {name for expression in wanted for name in _named(expression, report)}
    times = [name for name in chosen if METRICS[split(name)[0]].unit in DRIFTING]
    beside = {column("reference_s_samples", split(name)[1]) for name in times}

    def is_asked(name: str) -> bool:
        base, label = split(name)
        metric = max((m for m in METRICS if base.startswith(m)), key=len, default="")
        return not metric or column(metric, label) in chosen or name in beside

    return report[[name for name in report.columns if is_asked(str(name))]]


def _group_of(metric: str) -> str:
    return METRICS[metric].group or "Measured"


def cells(report: pd.DataFrame, shown: Column) -> list[Cell]:
    """The values of one column as people read them, the best marked."""
    values = pd.to_numeric(report[shown.name], errors="coerce")
    verdicts = _companion(report, shown.name, "_verdict")
    low, high = (_companion(report, shown.name, end) for end in ("_ci_low", "_ci_high"))
    best = _best(values, shown)
    doubtful = [is_unstable(str(verdict)) for verdict in verdicts]
    return [
        Cell(
            _text(value, low.iloc[i], high.iloc[i], shown.metric) if pd.notna(value) else "",
            is_best=best is not None and value == best and not doubtful[i],
            is_doubtful=doubtful[i],
        )
        for i, value in enumerate(values)
    ]


def row_names(report: pd.DataFrame) -> list[str]:
    """What each row is called: the model, its variant, and what tells it from another like it."""
    return [row.name for row in merge.rows_of(report)]


def _companion(report: pd.DataFrame, name: str, ending: str) -> pd.Series:
    metric, label = split(name)
    other = column(metric + ending, label)
    return (
        report[other] if other in report.columns else pd.Series([None] * len(report), dtype=object)
    )


def _best(values: pd.Series, shown: Column) -> float | None:
    """Of all, the doubtful too: what a doubtful one beats is not the best."""
    if shown.metric.better is None or values.nunique() < 2:
        return None
    return float(values.min() if shown.metric.better == "lower" else values.max())


def _text(value: float, low: object, high: object, metric: Metric) -> str:
    text = show(float(value), metric.unit)
    if not (isinstance(low, float) and isinstance(high, float) and high >= low):
        return text
    half = (high - low) / 2
    if metric.unit == "fraction":
        return f"{text[:-2]} ± {100 * half:.1f} %"
    return f"{text} ± {100 * half / abs(value):.1f} %" if value else text
