"""One small chart per network: learning curves, and memory over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnbench.plots import records, theme
from cnnbench.plots.axes import NothingToDraw, choice, tick_label
from cnnbench.results.tables import Run

if TYPE_CHECKING:
    import altair as alt

_TITLES = {
    "top1": "training accuracy",
    "val_top1": "validation accuracy",
    "validation_top1": "validation accuracy",
    "loss": "training loss",
    "val_loss": "validation loss",
    "validation_loss": "validation loss",
}
_TOLD = (
    "units[what] == 'fraction' ? format(100 * datum.value, '.1f') + ' %'"
    " : format(datum.value, '.3~g')"
)
_FIRST = ("validation_top1", "val_top1", "top1")
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
    names = _values(rows, "what")
    titles = {name: _TITLES.get(name, name.replace("_", " ")) for name in names}
    what = next((name for name in _FIRST if name in names), names[0])
    units = {name: "fraction" if "top" in name else "ratio" for name in names}
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
    chosen = choice("what", "Show", names, [titles[name] for name in names], what)
    params = (chosen, alt.param(name="units", value=units), _setting(rows, 0))
    return _faceted(layers, rows, "datum.what == what", *params)


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
    return _faceted(layers, rows, "true", _setting(rows, -1)).resolve_scale(x="independent")


def _values(rows: list[dict[str, Any]], name: str) -> list[str]:
    return list(dict.fromkeys(row[name] for row in rows))


def _setting(rows: list[dict[str, Any]], which: int) -> Any:
    settings = _values(rows, "setting")
    return choice("setting", "Setting", settings, settings, settings[which])


def _faceted(layers: Any, rows: list[dict[str, Any]], chosen: str, *params: Any) -> alt.FacetChart:
    import altair as alt

    return theme.themed(
        layers.properties(**_SIZE)
        .facet(
            facet=alt.Facet("network:N", sort=_values(rows, "network")),
            columns=_COLUMNS,
            data=alt.Data(values=rows),
        )
        .transform_filter(f"datum.setting == setting && {chosen}")
        .add_params(*params)
    )
