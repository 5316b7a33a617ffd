"""Latency over the rate of arrivals, from the trials of the scenario ``server``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

from cnnbench.plots import theme
from cnnbench.plots.numbers import NothingToDraw, choice, distinct, tick_label
from cnnbench.probes.load.settings import LoadSetting
from cnnbench.probes.probe import setting_of
from cnnbench.record import Record, model_title
from cnnbench.results.tables import Run
from cnnbench.units import rounded, show

if TYPE_CHECKING:
    import altair as alt

_SAME = 1.03  # rates within this factor of the lowest are one point of a line
_MEDIAN = "median"


def over_rate(run: Run) -> alt.LayerChart:
    """Return the latency at every rate that was tried, one line per network.

    Raises:
        UserError: no record has trials.
    """
    import altair as alt

    rows = list(points(run.raw))
    if not rows:
        raise NothingToDraw("no record of this run has latencies over a rate", "plot")
    settings = distinct(rows, "setting")
    base = (
        alt.Chart()
        .transform_filter("datum.setting == setting && datum.what == what")
        .encode(
            x=alt.X("rate:Q").axis(labelExpr=tick_label("'per_s'"), title="arrivals"),
            y=alt.Y("value:Q")
            .scale(type="log", nice=False, padding=12)
            .axis(labelExpr=tick_label("'s'"), tickCount=5),
            color=alt.Color("network:N", sort=None).legend(columns=2),
        )
    )
    mark: dict[str, Any] = {
        "opacity": 1,
        "tooltip": {"expr": "merge({title: datum.network}, datum.fact)"},
        "description": {
            "expr": "datum.network + ', ' + datum.fact.arrivals + ': ' + datum.fact.latency"
        },
    }
    within, over = (base.transform_filter(f"datum.is_over == {is_over}") for is_over in (0, 1))
    layers = [
        within.mark_line(strokeWidth=2, aria=False),
        within.mark_point(filled=True, size=36, **mark),
        over.mark_point(shape="triangle-up", size=50, **mark),
        base.transform_aggregate(bound="min(bound)")
        .mark_rule(style="limit", strokeWidth=1.5, strokeDash=[2, 3], aria=False)
        .encode(y="bound:Q", x=alt.Undefined, color=alt.Undefined),
    ]
    return (
        alt.LayerChart(layer=layers, data=alt.Data(values=rows))
        .add_params(
            choice("what", "Show", distinct(rows, "what"), rows[0]["what"]),
            choice("setting", "Setting", settings, settings[0]),
        )
        .properties(width=640, height=320)
        .configure(**theme.config())
    )


def points(records: Sequence[Record]) -> Iterator[dict[str, Any]]:
    """Yield the latencies of every network and setting over the rate, lowest rate first.

    Trials of several rounds at about the same rate are one point, their median. Where the bound did
    not hold, nothing is known but that: such a point is at the bound.
    """
    trials: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    bounds: dict[str, LoadSetting] = {}
    for record in records:
        setting = setting_of(record)
        if record.status == "ok" and isinstance(setting, LoadSetting) and setting.bound:
            place = (model_title(record.model, record.variant), setting.label())
            trials.setdefault(place, []).extend(record.details.get("trials", []))
            bounds[setting.label()] = setting
    for (network, label), found in trials.items():
        setting = bounds[label]
        names = {f"p{setting.percentile}": "quantile_s", _MEDIAN: "p50_s"}
        for what, name in names.items():
            facts = {"network": network, "setting": label, "what": what, "bound": setting.bound}
            held = [(one["rate"], one[name]) for one in found if one["holds"] and one[name]]
            yield from ({**facts, **point} for point in _pooled(held))
            if what != _MEDIAN:
                bound = setting.bound or 0.0
                over = [(one["rate"], bound) for one in found if not one["holds"]]
                words = f"p{setting.percentile} over {show(bound, 's')}"
                yield from (
                    {**facts, **point, "is_over": 1, "fact": {**point["fact"], "latency": words}}
                    for point in _pooled(over)
                )


def _pooled(found: Sequence[tuple[float, float]]) -> Iterator[dict[str, Any]]:
    """Yield the median rate and latency of every group of about the same rate."""
    groups: list[list[tuple[float, float]]] = []
    for rate, value in sorted(found):
        if not groups or rate > _SAME * groups[-1][0][0]:
            groups.append([])
        groups[-1].append((rate, value))
    for group in groups:
        rate, value = (rounded(median(column)) for column in zip(*group, strict=True))
        fact = {"arrivals": show(rate, "per_s"), "latency": show(value, "s"), "trials": len(group)}
        yield {"rate": rate, "value": value, "is_over": 0, "fact": fact}
