"""Numbers over runs, with the levels between changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnbench.errors import UserError
from cnnbench.plots import theme
from cnnbench.plots.numbers import NothingToDraw, distinct, tick_label
from cnnbench.selection.history import History, Series
from cnnbench.selection.history.text import describe, title
from cnnbench.statistics.measurement import Measurement
from cnnbench.units import show

if TYPE_CHECKING:
    import altair as alt

_SIZE = {"width": 320, "height": 150}
_COLUMNS = 2
_ORDINARY, _CHANGE, _ALONE = "run", "change", "stands out"


def over_runs(history: History) -> alt.FacetChart:
    """Return one chart per series: each run with its interval, and the level it belongs to.

    The first run of a new level, and a run that stands out, have colours of their own.

    Raises:
        UserError: no run has a value, or the metrics have different units.
    """
    import altair as alt

    units = list(dict.fromkeys(one.definition.unit for one in history.series))
    if len(units) > 1:
        raise UserError(f"one plot cannot show {' and '.join(units)}", "plot", "choose one metric")
    rows = [row for one in history.series for row in _rows(one, history)]
    if not rows:
        raise NothingToDraw("no run has a value", "plot")
    base = alt.Chart().encode(
        x=alt.X("date:T").axis(tickCount=4, labelOverlap=True, format="%Y-%m-%d")
    )
    dots = base.encode(
        color=alt.Color("kind:N").scale(domain=[_ORDINARY, _CHANGE, _ALONE]).legend(symbolOpacity=1)
    )
    ticks = alt.Axis(labelExpr=tick_label(f"'{units[0]}'"), tickCount=4)
    told = {"expr": "merge({title: datum.run}, datum.fact)"}
    spoken = {"expr": "datum.series + ', ' + datum.run + ': ' + datum.text"}
    layers = alt.layer(
        base.transform_filter(f"datum.kind != '{_ALONE}'")
        .mark_line(strokeWidth=2, opacity=0.5, aria=False)
        .encode(y=alt.Y("level:Q"), detail="number:N"),
        dots.mark_rule(strokeWidth=2, opacity=0.6, aria=False).encode(y="low:Q", y2="high:Q"),
        dots.mark_point(filled=True, size=55, opacity=1, tooltip=told, description=spoken).encode(
            y=alt.Y("value:Q", axis=ticks)
        ),
    )
    return (
        layers.properties(**_SIZE)
        .facet(
            facet=alt.Facet("series:N", sort=distinct(rows, "series")),
            columns=_COLUMNS,
            data=alt.Data(values=rows),
        )
        .resolve_scale(x="independent", y="independent")
        .configure(**theme.config())
    )


def _rows(series: Series, history: History) -> list[dict[str, Any]]:
    unit = series.definition.unit
    changes = {change.run: change for change in series.changes}
    rows: list[dict[str, Any]] = []
    level = 0
    for point in series.points:
        change = changes.get(point.run)
        level += change is not None
        low, high = (point.low, point.high) if point.low is not None else _ends(point.found)
        kind = _ALONE if point.stands_out else _CHANGE if change else _ORDINARY
        fact = {"date": f"{point.date:%Y-%m-%d %H:%M}", "value": show(point.value, unit)}
        if change:
            fact["change"] = describe(change, series)
        rows.append(
            {
                "series": title(series, history),
                "run": point.run,
                "date": f"{point.date:%Y-%m-%dT%H:%M:%S}",
                "number": str(level),
                "value": point.value,
                "low": point.value if low is None else low,
                "high": point.value if high is None else high,
                "level": point.level,
                "kind": kind,
                "text": ", ".join(fact.values()),
                "fact": fact,
            }
        )
    return rows


def _ends(found: Measurement) -> tuple[float | None, float | None]:
    return (found.low, found.high) if found.has_interval else (None, None)
