"""Charts over epochs, seconds and depth: learning curves, memory over time, and layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cnnbench.metrics import QUALITY, Metric
from cnnbench.plots import records, theme
from cnnbench.plots.numbers import NothingToDraw, choice, distinct, tick_label
from cnnbench.results.tables import Run
from cnnbench.tasks.task import TASKS
from cnnbench.units import Unit, show

if TYPE_CHECKING:
    import altair as alt

LAYERS: dict[str, tuple[str, Unit]] = {
    "macs": ("MACs of each layer", "count"),
    "params": ("Parameters of each layer", "count"),
    "activation_bytes": ("Output of each layer", "bytes"),
    "live_bytes": ("Activations alive while each layer runs", "bytes"),
}
_TOLD = (
    "units[what] == 'fraction' ? format(100 * datum.value, '.1f') + ' %'"
    " : format(datum.value, '.3~g')"
)
_HELD_OUT = ("validation_", "val_")  # before the name of a metric of validation images
_SIZE = {"width": 210, "height": 118}
_COLUMNS = 4


def learning(run: Run) -> alt.FacetChart:
    """Return the learning curves: one chart per network, one line per seed.

    Raises:
        UserError: no record has a learning curve.
    """
    import altair as alt

    rows = list(records.epochs(run.raw))
    if not rows:
        raise NothingToDraw("no record of this run has a learning curve", "plot")
    names = distinct(rows, "what")
    watched = dict.fromkeys(task.watched for task in TASKS.values())
    wanted = [start + metric for metric in watched for start in (*_HELD_OUT, "")]
    what = next((name for name in wanted if name in names), names[0])
    known = {name: QUALITY[_metric(name)].metric for name in names if _metric(name) in QUALITY}
    units = {name: known[name].unit if name in known else "ratio" for name in names}
    titles = {name: _title(name, known.get(name)) for name in names}
    base = alt.Chart().encode(
        x=alt.X("epoch:Q").scale(nice=False).axis(format="d", tickMinStep=1, tickCount=4),
        y=alt.Y("value:Q").axis(labelExpr=tick_label("units[what]"), tickCount=4),
        color=alt.Color("seed:N").legend(None),
    )
    who = "datum.network + ', seed ' + datum.seed"
    told = {"expr": f"{{title: {who}, epoch: datum.epoch, value: {_TOLD}}}"}
    spoken = {"expr": f"{who} + ', epoch ' + datum.epoch + ': ' + ({_TOLD})"}
    layers = alt.layer(
        base.mark_line(strokeWidth=2, aria=False),
        base.mark_point(filled=True, size=36, opacity=1, tooltip=told, description=spoken),
    )
    shown = [choice("what", "Show", titles, what), alt.param(name="units", value=units)]
    return _faceted(layers, rows, "datum.what == what", rows[0]["setting"], *shown)


def _metric(name: str) -> str:
    for start in _HELD_OUT:
        name = name.removeprefix(start)
    return name


def _title(name: str, metric: Metric | None) -> str:
    """``validation accuracy``; the name in words where it is no metric."""
    if metric is None:
        return name.replace("_", " ")
    part = "training" if name == metric.name else "validation"
    return f"{part} {metric.noun[0] if metric.unit == 'fraction' else metric.title.lower()}"


def timeline(run: Run) -> alt.FacetChart:
    """Return the memory of each memory job over its time; dashed where a phase began.

    Raises:
        UserError: no record has a timeline.
    """
    import altair as alt

    rows = list(records.timelines(run.raw))
    if not rows:
        raise NothingToDraw("no record of this run has memory over time", "plot")
    seconds = alt.Axis(labelExpr=tick_label("'s'"), tickCount=4)
    size = alt.Y("bytes:Q").axis(labelExpr=tick_label("'bytes'"), tickCount=4)
    told = {"expr": "merge({title: datum.network + ': ' + datum.phase}, datum.fact)"}
    spoken = {
        "expr": "datum.network + ': ' + datum.phase + ', began ' + datum.fact.began"
        " + (datum.fact['peak in this phase']"
        " ? ', peak in this phase ' + datum.fact['peak in this phase'] : '')"
        " + (datum.fact.peak ? ', peak ' + datum.fact.peak : '')"
    }
    layers = alt.layer(
        alt.Chart()
        .transform_filter("isValid(datum.bytes)")
        .mark_line(strokeWidth=2, aria=False)
        .encode(x=alt.X("seconds:Q", axis=seconds), y=size),
        alt.Chart()
        .transform_filter("isValid(datum.phase)")
        .transform_calculate(kind="'phase'")
        .mark_rule(strokeDash=[3, 3], strokeWidth=2, tooltip=told, description=spoken)
        .encode(
            x="began:Q", color=alt.Color("kind:N").scale(domain=["memory", "phase"]).legend(None)
        ),
    )
    faceted = _faceted(layers, rows, "true", distinct(rows, "setting")[-1])
    return faceted.resolve_scale(x="independent")


def layers(inspection: Mapping[str, Any], metric: str) -> alt.Chart:
    """Return one bar per layer, from the input on the left to the output on the right.

    Args:
        inspection: ``Inspection.to_json()``.
        metric: a key of `LAYERS`.
    """
    import altair as alt

    title, unit = LAYERS[metric]
    rows = [
        {"depth": index, "layer": f"{layer['name']} ({layer['type']})"}
        | {"value": layer[metric], "text": show(layer[metric], unit)}
        for index, layer in enumerate(inspection["layers"])
    ]
    return (
        alt.Chart(alt.Data(values=rows), title=title)
        .mark_bar(
            tooltip={"expr": "{title: datum.layer, value: datum.text}"},
            description={"expr": "datum.layer + ': ' + datum.text"},
        )
        .encode(
            x=alt.X("depth:O").axis(None),
            y=alt.Y("value:Q").axis(labelExpr=tick_label(f"'{unit}'"), tickCount=4),
        )
        .properties(width=760, height=150)
        .configure(**theme.config())
    )


def _faceted(
    layers: Any, rows: list[dict[str, Any]], chosen: str, setting: str, *params: Any
) -> alt.FacetChart:
    """Return one chart per network, of the rows that ``chosen`` selects, ``setting`` first."""
    import altair as alt

    return (
        layers.properties(**_SIZE)
        .facet(
            facet=alt.Facet("network:N", sort=distinct(rows, "network")),
            columns=_COLUMNS,
            data=alt.Data(values=rows),
        )
        .transform_filter(f"datum.setting == setting && {chosen}")
        .add_params(*params, choice("setting", "Setting", distinct(rows, "setting"), setting))
        .configure(**theme.config())
    )
