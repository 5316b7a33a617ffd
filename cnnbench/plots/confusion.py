"""Confusion matrix: which class is predicted as which."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnbench.plots import records, theme
from cnnbench.plots.numbers import NothingToDraw, choice, distinct
from cnnbench.results.tables import Run

if TYPE_CHECKING:
    import altair as alt


def confusion(run: Run, network: str = "", setting: str = "") -> alt.LayerChart:
    """Return the confusion matrix: a row an actual class, a column a predicted one.

    Args:
        run: a run whose records have confusion matrices.
        network, setting: which of them is shown first; by default the first.

    Raises:
        UserError: no record has one, or none of that network and setting.
    """
    import altair as alt

    rows = list(records.confusions(run.raw))
    if not rows:
        raise NothingToDraw("no record of this run has a confusion matrix", "plot")
    wanted = {"network": network, "setting": setting}
    shown = [row for row in rows if all(one in ("", row[name]) for name, one in wanted.items())]
    if not shown:
        raise NothingToDraw(f"no confusion matrix of '{network or setting}'", "plot")
    base = (
        alt.Chart()
        .transform_filter("datum.network == network && datum.setting == setting")
        .transform_calculate(columns="datum.classes")
        .transform_flatten(["classes", "counts"], ["actual", "row"])
        .transform_flatten(["columns", "row"], ["predicted", "count"])
        .transform_joinaggregate(of="sum(count)", groupby=["actual"])
        .transform_calculate(
            share="datum.of ? datum.count / datum.of : 0",
            wrong="datum.actual != datum.predicted",
            label="datum.count ? toString(datum.count) : '·'",
        )
        .encode(
            x=alt.X("predicted:N", sort=None).axis(
                orient="top", grid=False, labelAngle=-40, labelLimit=110
            ),
            y=alt.Y("actual:N", sort=None).axis(grid=False, labelLimit=140),
        )
    )
    words = "datum.actual + ' predicted as ' + datum.predicted"
    share = "format(100 * datum.share, '.1f') + ' %'"
    told = {"expr": f"{{title: {words}, images: datum.count + ' of ' + datum.of, share: {share}}}"}
    spoken = {"expr": f"{words} + ': ' + datum.count + ' of ' + datum.of"}
    layers = [
        base.transform_calculate(shade="datum.count ? 0.08 + 0.62 * datum.share : 0")
        .mark_rect(tooltip=told, description=spoken)
        .encode(
            color=alt.Color("wrong:N").scale(domain=[False, True]).legend(None),
            opacity=alt.Opacity("shade:Q").scale(None).legend(None),
        ),
        base.mark_text(aria=False).encode(text="label:N"),
    ]
    return (
        alt.LayerChart(layer=layers, data=alt.Data(values=rows))
        .add_params(
            choice("network", "Network", distinct(rows, "network"), shown[0]["network"]),
            choice("setting", "Setting", distinct(rows, "setting"), shown[0]["setting"]),
        )
        .properties(width=alt.Step(46), height=alt.Step(32))
        .configure(**theme.config())
    )
