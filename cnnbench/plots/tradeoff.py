"""Trade-off of quality and cost: one bubble per network, and the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from cnnbench import metrics
from cnnbench.plots import limits, numbers, theme
from cnnbench.plots.numbers import NothingToDraw, Quantity, named
from cnnbench.results.report import Report
from cnnbench.results.tables import Run
from cnnbench.suite import question as questions
from cnnbench.suite.question import Question

if TYPE_CHECKING:
    import altair as alt

_ACROSS = ("latency_p50_s", "file_bytes", "params", "weight_bytes", "macs")
_X, _Y = "datum.cells[across]", "datum.cells[up]"


def tradeoff(source: Run | pd.DataFrame, across: str = "", up: str = "") -> alt.LayerChart:
    """Return the trade-off plot of a run.

    Its parameters ``across`` and ``up`` are columns of the report; where it is shown with
    controls, the reader chooses among all that have a better direction and two networks.

    Limits of the suite's question are drawn as lines across the axes that they are on, and networks
    without both numbers are named below.

    Args:
        source: a run, or its report.
        across, up: metrics, as on the command line; by default the question's first limit and its
            objective; without one the first latency (LiteRT's where there is one), else a size, and
            the first accuracy.

    Raises:
        UserError: an unknown metric, or no network that has both numbers.
    """
    import altair as alt

    report = Report.of(source)
    found = numbers.quantities(report)
    ordered = [q for q in found if q.metric.better]
    # An axis compares at least two networks.
    axes = [q for q in ordered if sum(map(bool, q.numbers)) > 1] or ordered
    question = questions.read(source.path) if isinstance(source, Run) else None
    if question is not None and not (across or up):
        across, up = _of_question(question, axes)
    y = _axis(found, axes, up, [*numbers.accuracies(), "agreement", "macs"])
    x = _axis(found, [q for q in axes if q != y], across, _ACROSS)
    axes = [*axes, *(q for q in (x, y) if q not in axes)]
    rows = [_row(row.name, at, found, axes) for at, row in enumerate(report)]
    if not any({x.column, y.column} <= set(row["cells"]) for row in rows):
        raise NothingToDraw(
            f"no network has both {x.column} and {y.column}", hint="name other axes"
        )
    heads = {q.column: q.head for q in axes}
    known = {q.column: _facts(q) for q in axes}
    layers = [
        *_layers(alt, is_log=known[x.column]["positive"]),
        limits.unplotted(alt, f"!(isValid({_X}) && isValid({_Y}))"),
    ]
    if question is not None:
        layers += limits.lines(alt, question)
    return (
        alt.LayerChart(layer=layers, data=alt.Data(values=rows))
        .add_params(
            numbers.choice("up", "Up", heads, y.column),
            numbers.choice("across", "Across", heads, x.column),
            alt.param(name="axes", value=known),
        )
        .properties(width=640, height=340, usermeta={"embedOptions": {"patch": [_LABELS]}})
        .configure(**theme.config())
    )


def _axis(
    found: list[Quantity], axes: list[Quantity], wanted: str, usual: Sequence[str]
) -> Quantity:
    if wanted:
        name = metrics.resolve(wanted, [q.column for q in found], "axis")
        return next(q for q in found if q.column == name)
    for metric in usual:
        if of := named(axes, metric):
            return next((q for q in of if q.axes.get("runtime") == "litert"), of[0])
    if axes:
        return axes[0]
    raise NothingToDraw(f"no {usual[0]} in this report", "axis", "a plot needs two metrics")


def _of_question(question: Question, axes: Sequence[Quantity]) -> tuple[str, str]:
    """Return the first limit that can be an axis, and the objective if it can."""
    columns = [q.column for q in axes]
    limited = [name for _, name, _ in question.limits if name in columns]
    goal = question.objective if question.objective in columns else ""
    others = [name for name in limited if name != goal]
    return others[0] if others else "", goal


def _facts(quantity: Quantity) -> dict[str, Any]:
    """Return the facts of a quantity that an axis needs."""
    return {
        "head": quantity.head,
        "unit": quantity.metric.unit,
        "better": quantity.metric.better,
        "positive": all((n.value or 0) > 0 for n in quantity.numbers if n is not None),
    }


def _row(network: str, at: int, found: list[Quantity], axes: list[Quantity]) -> dict[str, Any]:
    params = named(found, "params")
    size = params[0].numbers[at] if params else None
    return {
        "network": network,
        "size": size.value if size else None,
        "cells": {q.column: q.cell(number) for q in axes if (number := q.numbers[at])},
        "facts": numbers.usual_facts(found, at),
    }


def _layers(alt: Any, is_log: bool) -> list[Any]:
    base = _ranked(alt.Chart())
    across = alt.X("x:Q").scale(type="log" if is_log else "linear", nice=False, padding=28)
    across = across.axis(
        labelExpr=numbers.tick_label("axes[across].unit"), tickCount=6, labelOverlap=True
    )
    up = alt.Y("y:Q").scale(nice=False, padding=20)
    up = up.axis(labelExpr=numbers.tick_label("axes[up].unit"), tickCount=6)
    colour = alt.Color("front:N").scale(domain=[False, True]).legend(None)
    size = alt.Size("area:Q").scale(domainMin=0, range=[70, 1100]).legend(None)
    told = {"expr": f"merge({{title: datum.network}}, {_Y}.fact, {_X}.fact, datum.facts)"}
    front = base.transform_filter("datum.front")
    edge = {"strokeDash": [5, 4], "strokeWidth": 1.5, "aria": False}
    return [
        front.mark_line(
            interpolate={"expr": _toward("'step-after'", "'step-before'")}, **edge
        ).encode(x="x:Q", y="y:Q", color=colour),
        front.transform_filter("datum.bx == datum.first")
        .mark_rule(**edge)
        .encode(
            x="x:Q",
            y="y:Q",
            y2=alt.Y2Value({"expr": "axes[up].better == 'higher' ? height : 0"}),
            color=colour,
        ),
        front.transform_filter("datum.bx == datum.last")
        .mark_rule(**edge)
        .encode(x="x:Q", x2=alt.X2Value({"expr": _toward("width", "0")}), y="y:Q", color=colour),
        base.mark_rule(opacity=0.65, aria=False).encode(
            x=alt.X("x_low:Q"), x2="x_high:Q", y="y:Q", color=colour
        ),
        base.mark_rule(opacity=0.65, aria=False).encode(
            x="x:Q", y="y_low:Q", y2="y_high:Q", color=colour
        ),
        base.mark_point(
            filled=True,
            fillOpacity=0.35,
            strokeWidth=1.5,
            strokeOpacity=1,
            tooltip=told,
            strokeDash={"expr": "datum.doubtful ? [3, 2] : [1, 0]"},
            description={"expr": _SPOKEN},
        ).encode(
            x=across,
            y=up,
            size=size,
            fill=colour,
            stroke=colour,
            order=alt.Order("size:Q", sort="descending"),
        ),
        _axis_name(alt, "'↑ ' + axes[up].head", x=-56, y=-12, align="left"),
        _axis_name(
            alt,
            "axes[across].head + ' →'",
            x={"expr": "width"},
            y={"expr": "height + 38"},
            align="right",
        ),
        base.mark_text(fontWeight=500, aria=False).encode(x="x:Q", y="y:Q", text="network:N"),
    ]


def _toward(lower: str, higher: str) -> str:
    return f"axes[across].better == 'lower' ? {lower} : {higher}"


def _axis_name(alt: Any, text: str, **place: Any) -> Any:
    mark = {
        "style": "axis-name",
        "baseline": "middle",
        "aria": False,
        "limit": {"expr": "width + 50"},
    }
    return alt.Chart(alt.Data(values=[{}])).mark_text(text={"expr": text}, **mark, **place)


def _ranked(chart: Any) -> Any:
    """Add both numbers of each network that has them, and whether it is on the Pareto front.

    A network is on the front if no other is at least as good on both axes and better on one.
    Smaller is better in ``bx`` and ``by``.
    """
    return (
        chart.transform_filter(f"isValid({_X}) && isValid({_Y})")
        .transform_calculate(
            area="isValid(datum.size) ? datum.size : 0",
            x=f"{_X}.value",
            y=f"{_Y}.value",
            **numbers.ends("x_low", "x_high", of=_X),
            **numbers.ends("y_low", "y_high", of=_Y),
            doubtful=f"{_X}.doubtful || {_Y}.doubtful",
            ranked=f"!{_X}.unranked && !{_Y}.unranked",
        )
        .transform_calculate(
            bx="axes[across].better == 'lower' ? datum.x : -datum.x",
            by="datum.ranked ? (axes[up].better == 'lower' ? datum.y : -datum.y) : null",
        )
        .transform_window(
            best="min(by)", sort=[{"field": "bx"}], frame=[None, 0], ignorePeers=False
        )
        .transform_joinaggregate(nearest="min(bx)", groupby=["by"])
        .transform_calculate(
            front="datum.ranked && datum.by == datum.best && datum.bx == datum.nearest"
        )
        .transform_calculate(front_bx="datum.front ? datum.bx : null")
        .transform_joinaggregate(first="min(front_bx)", last="max(front_bx)")
    )


_SPOKEN = (
    "datum.network + (datum.front ? ', on the Pareto front' : '')"
    " + (datum.doubtful ? ', doubtful' : '')"
    " + ': ' + axes[up].head + ' ' + datum.cells[up].fact[axes[up].head]"
    " + ', ' + axes[across].head + ' ' + datum.cells[across].fact[axes[across].head]"
)

# Names next to the bubbles where there is room: Vega has a transform for it, Vega-Lite no word.
_LABELS: dict[str, Any] = {
    "op": "add",
    "path": "/marks/8/transform",
    "value": [
        {
            "type": "label",
            "size": {"signal": "[width + 90, height + 20]"},
            "anchor": ["bottom-right", "top-left", "right", "left", "top", "bottom"],
            "offset": [13, 13, 14, 14, 14, 14],
            "sort": {"field": "datum.front", "order": "descending"},
        }
    ],
}
