"""Layers of the trade-off plot: limits of the suite's question, and names of missing networks."""

from __future__ import annotations

from typing import Any

from cnnbench.metrics import METRICS, split
from cnnbench.suite.question import Question
from cnnbench.units import show

_NAMES_A_LINE = 4


def lines(alt: Any, question: Question) -> list[Any]:
    """Return a line and its text for every limit, shown where its metric is on an axis."""
    signs = {"max": "≤", "min": "≥"}
    limits = [
        {
            "column": name,
            "value": value,
            "words": f"{signs[side]} {show(float(value), METRICS[split(name)[0]].unit)}",
        }
        for side, name, value in question.limits
    ]
    base = alt.Chart(alt.Data(values=limits))
    across = base.transform_filter("datum.column == across")
    up = base.transform_filter("datum.column == up")
    line = {"style": "limit", "strokeWidth": 1.5, "strokeDash": [2, 3], "aria": False}
    text = {"style": "limit-name", "description": {"expr": "datum.words"}}
    return [
        across.mark_rule(**line).encode(x=alt.X("value:Q")),
        up.mark_rule(**line).encode(y=alt.Y("value:Q")),
        across.mark_text(align="left", dx=4, baseline="top", **text).encode(
            x=alt.X("value:Q"), y=alt.value(0), text="words:N"
        ),
        up.mark_text(align="right", dy=-4, baseline="bottom", **text).encode(
            x=alt.XValue({"expr": "width"}), y=alt.Y("value:Q"), text="words:N"
        ),
    ]


def unplotted(alt: Any, condition: str) -> Any:
    """Return the lines of text below a plot that name the networks which meet ``condition``."""
    return (
        alt.Chart()
        .transform_filter(condition)
        .transform_window(place="row_number()")
        .transform_calculate(line=f"floor((datum.place - 1) / {_NAMES_A_LINE})")
        .transform_aggregate([{"op": "values", "as": "rows"}], groupby=["line"])
        .transform_calculate(
            words="(datum.line ? '' : 'Not plotted: ') + join(pluck(datum.rows, 'network'), ', ')"
        )
        .mark_text(
            align="left",
            baseline="top",
            x=0,
            y={"expr": "height + 52 + 15 * datum.line"},
            limit={"expr": "width"},
            description={"expr": "datum.words"},
        )
        .encode(text="words:N")
    )
