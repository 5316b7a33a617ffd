"""Dots with intervals, one line per network: latency by runtime, memory measured and predicted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from cnnbench.plots import numbers, theme
from cnnbench.plots.numbers import NothingToDraw, Quantity, named
from cnnbench.results.report import Report
from cnnbench.results.tables import Run
from cnnbench.statistics.measurement import Measurement

if TYPE_CHECKING:
    import altair as alt


def latency(source: Run | pd.DataFrame) -> alt.LayerChart:
    """Return the latencies of every network, one colour per runtime and setting.

    Raises:
        UserError: no latency was measured.
    """
    report = Report.of(source)
    found = [q for q in numbers.quantities(report) if q.metric.family == "latency"]
    rows = [
        _dot(row.name, q.metric.name, q.setting or q.title, number, q)
        for at, row in enumerate(report)
        for q in found
        if (number := q.numbers[at])
    ]
    titles = {q.metric.name: q.title for q in found}
    usual = "latency_p50_s" if "latency_p50_s" in titles else next(iter(titles), "")
    return _dots(rows, titles, usual, "s", is_log=all(row["value"] > 0 for row in rows))


def memory_of_run(source: Run | pd.DataFrame) -> alt.LayerChart:
    """Return the measured memory peaks of every network together with the predicted ones.

    Raises:
        UserError: no memory was measured.
    """
    report = Report.of(source)
    found = numbers.quantities(report)
    peaks = named(found, "memory_infer_peak_bytes", "memory_train_peak_bytes")
    rows = [
        _dot(row.name, q.column, series, number, q)
        for q in peaks
        for row, measured, predicted in zip(report, q.numbers, _predicted(q, found), strict=True)
        for series, number in (("measured", measured), ("predicted", predicted))
        if number
    ]
    titles = {q.column: q.head for q in peaks}
    return _dots(rows, titles, next(reversed(titles), ""), "bytes", is_log=False)


def _predicted(measured: Quantity, found: Sequence[Quantity]) -> Sequence[Measurement | None]:
    """Return the predicted memory: as recorded, else counted at that batch, else by the ratio."""
    is_training = "train" in measured.metric.name
    label = f"train/{measured.setting}" if is_training else measured.setting
    counted = "activation_train_bytes" if is_training else "activation_infer_peak_bytes"
    for metric, setting in (("memory_predicted_bytes", label), (counted, measured.setting)):
        for q in named(found, metric):
            if q.setting == setting:
                return q.numbers
    for q in named(found, "memory_ratio"):
        if q.setting == label:
            pairs = zip(measured.numbers, q.numbers, strict=True)
            return [
                Measurement(a.value / b.value) if a and b and a.value and b.value else None
                for a, b in pairs
            ]
    return [None] * len(measured.numbers)


def _dot(
    network: str, what: str, series: str, number: Measurement, quantity: Quantity
) -> dict[str, Any]:
    shown = quantity.cell(number)
    (text,) = shown.pop("fact").values()
    return {"network": network, "what": what, "series": series, **shown, "fact": {series: text}}


def _dots(
    rows: list[dict[str, Any]], titles: dict[str, str], what: str, unit: str, *, is_log: bool
) -> alt.LayerChart:
    import altair as alt

    if not rows:
        raise NothingToDraw("nothing of this kind was measured", "plot")
    base = (
        alt.Chart()
        .transform_filter("datum.what == what")
        .encode(
            y=alt.Y("network:N", sort=None).axis(grid=False),
            yOffset=alt.YOffset("series:N", sort=None),
        )
    )
    edge = alt.Stroke("series:N", sort=None).legend(None)
    fill = alt.Fill("series:N", sort=None).legend(columns={"expr": "max(1, floor(width / 260))"})
    scale = alt.Scale(type="log" if is_log else alt.Undefined, nice=False, padding=12)
    across = alt.X("value:Q", scale=scale).axis(
        labelExpr=numbers.tick_label(f"'{unit}'"), tickCount=6, labelOverlap=True
    )
    told = {"expr": "merge({title: datum.network}, datum.fact)"}
    spoken = (
        "datum.network + (datum.doubtful ? ', doubtful' : '')"
        " + ': ' + datum.series + ' ' + datum.fact[datum.series]"
    )
    layers = [
        base.transform_calculate(**numbers.ends("low", "high", of="datum"))
        .mark_rule(opacity=0.65, strokeWidth=2, aria=False)
        .encode(x="low:Q", x2="high:Q", stroke=edge),
        base.mark_point(
            filled=True,
            size=70,
            strokeWidth=2,
            tooltip=told,
            description={"expr": spoken},
            fillOpacity={"expr": "datum.doubtful ? 0 : 1"},
        ).encode(
            x=across,
            fill=fill,
            stroke=edge,
        ),
    ]
    return (
        alt.LayerChart(layer=layers, data=alt.Data(values=rows))
        .add_params(numbers.choice("what", "Show", titles, what))
        .properties(width=640, height=alt.Step(16, **{"for": "offset"}))
        .configure(**theme.config())
    )
