"""The main plot as a static picture, for a README: accuracy against what it costs."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

import pandas as pd

from cnnbench import metrics, units
from cnnbench.errors import UserError
from cnnbench.metrics import METRICS, Metric, of_column, split
from cnnbench.report import layout
from cnnbench.results.report import Report
from cnnbench.selection.choose.candidate import pareto_front
from cnnbench.statistics.measurement import Measurement

_UP = ("top1", "published_top1", "agreement")
_ACROSS = ("latency_p50_s", "file_bytes", "weight_bytes", "macs", "params")
_BLUE, _ORANGE, _GREY = "#1f5fbf", "#d1661a", "#5b6675"


@dataclass(frozen=True)
class _Point:
    name: str
    x: Measurement
    y: Measurement
    params: float | None


def tradeoff_svg(table: Report | pd.DataFrame, across: str = "", up: str = "") -> str:
    """The trade-off plot as SVG, the same bytes every time.

    Args:
        table: a run's report, as it is or as a pandas table.
        across, up: metrics, as on the command line; by default the first latency (LiteRT's where
            there is one), else a size, and the first accuracy.

    Raises:
        UserError: an unknown metric, or no network that has both numbers.
    """
    report = Report.of(table)
    x, y = _axis(report, across, _ACROSS), _axis(report, up, _UP)
    points = [
        _Point(row.name, row.read(x), row.read(y), row.read("params").value)
        for row in report
        if row.read(x).value is not None and row.read(y).value is not None
    ]
    if not points:
        raise UserError(f"no network has both {x} and {y}", hint="name other axes")
    return _drawn(points, x, y)


def _axis(report: Report, wanted: str, usual: Sequence[str]) -> str:
    columns = [str(name) for name in report.columns]
    if wanted:
        name = metrics.resolve(wanted, columns, "--svg")
        if of_column(name) is None:
            raise UserError(f"'{name}' is no metric", "--svg", "name a metric, as latency_p50")
        return name
    for metric in usual:
        found = [c.name for c in layout.columns(report) if c.metric.name == metric]
        found += [n for n in columns if split(n)[0] == metric and report.has_value(n)]
        if found:
            return next((name for name in found if "litert" in name), found[0])
    raise UserError(f"no {usual[0]} in this report", "--svg", "a plot needs two metrics")


def _drawn(points: Sequence[_Point], x: str, y: str) -> str:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    settings: Any = {
        "svg.hashsalt": "cnnbench",
        "font.family": "sans-serif",
        "text.parse_math": False,
    }
    with rc_context(settings):
        figure = Figure(figsize=(8, 4.8), layout="constrained")
        axes = figure.add_subplot()
        across, up = METRICS[split(x)[0]], METRICS[split(y)[0]]
        if all((point.x.low or point.x.value or 0) > 0 for point in points):
            axes.set_xscale("log")
        on_front = pareto_front([_place(p, across, up) for p in points])
        largest = max((point.params or 0 for point in points), default=0) or 1
        for point, here in zip(points, on_front, strict=True):
            _bubble(axes, point, largest, _ORANGE if here else _BLUE)
        _dress(axes, across, up, x, y)
        _front(axes, [p for p, here in zip(points, on_front, strict=True) if here], across, up)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": "cnnbench"})
    return out.getvalue()


def _place(point: _Point, across: Metric, up: Metric) -> tuple[float, ...] | None:
    """Smaller is better on both axes; None for what is never ranked."""
    if not (point.x.is_ranked and point.y.is_ranked):
        return None
    return _badness(point.x, across), _badness(point.y, up)


def _badness(found: Measurement, metric: Metric) -> float:
    value = found.value or 0.0
    return -value if metric.better == "higher" else value


def _front(axes: Any, points: list[_Point], across: Metric, up: Metric) -> None:
    """A step from edge to edge, so that it bounds everything that is beaten."""
    if not points:  # nothing is ranked: accuracies not above chance
        return
    ordered = sorted(points, key=lambda point: _badness(point.x, across))
    limits = axes.get_xlim(), axes.get_ylim()
    worst_x, worst_y = (
        ends[0] if metric.better == "higher" else ends[1]
        for ends, metric in zip(limits, (across, up), strict=True)
    )
    xs = [ordered[0].x.value, *(point.x.value for point in ordered), worst_x]
    ys = [worst_y, *(point.y.value for point in ordered), ordered[-1].y.value]
    axes.step(xs, ys, where="post", color=_ORANGE, linewidth=1.5, linestyle="--", zorder=1)
    axes.set(xlim=limits[0], ylim=limits[1])


def _bubble(axes: Any, point: _Point, largest: float, color: str) -> None:
    area = 40 + 700 * (point.params or 0) / largest
    axes.scatter(
        point.x.value, point.y.value, s=area, color=color, alpha=0.35, linewidths=0, zorder=2
    )
    bars = {"color": color, "linewidth": 1.2, "zorder": 3}
    axes.plot(point.x.value, point.y.value, ".", color=color, zorder=3)
    if point.x.has_interval:
        axes.hlines(point.y.value, point.x.low, point.x.high, **bars)
    if point.y.has_interval:
        axes.vlines(point.x.value, point.y.low, point.y.high, **bars)
    axes.annotate(
        point.name,
        (point.x.value, point.y.value),
        xytext=(5 + math.sqrt(area) / 2, 4),
        textcoords="offset points",
        fontsize=8.5,
    )


def _dress(axes: Any, across: Metric, up: Metric, x: str, y: str) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    if axes.get_xscale() == "log":
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_minor_locator(NullLocator())

    for axis, metric, name in ((axes.xaxis, across, x), (axes.yaxis, up, y)):
        published = ", published" if metric.name.startswith("published_") else ""
        words = f"{metric.title}{published} {split(name)[1]}".strip()
        axis.set_label_text(
            "\n".join(wrap(words.replace("/", "/ "), 48)).replace("/ ", "/"), fontsize=9
        )
        axis.set_major_formatter(FuncFormatter(_in_unit(metric)))
    axes.grid(color="#dfe3e9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.margins(x=0.14, y=0.12)
    axes.tick_params(which="both", colors=_GREY, labelsize=8, length=0)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)


def _in_unit(metric: Metric) -> Any:
    def text(value: float, _place: int) -> str:
        return units.show(value, metric.unit)

    return text
