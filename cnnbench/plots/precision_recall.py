"""Precision over recall of detectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnbench.plots import records, theme
from cnnbench.plots.numbers import NothingToDraw, choice, distinct
from cnnbench.results.tables import Run

if TYPE_CHECKING:
    import altair as alt

ALL = "all classes"


def precision_recall(run: Run, setting: str = "") -> alt.LayerChart:
    """Return the precision at every recall, one line per network.

    Args:
        run: a run whose records have such curves.
        setting: the one that is shown first; by default the first.

    Raises:
        UserError: no record has curves, or none of that setting.
    """
    import altair as alt

    rows = list(records.precision_curves(run.raw, ALL))
    if not rows:
        raise NothingToDraw("no record of this run has precision over recall", "plot")
    shown = [row for row in rows if setting in ("", row["setting"])]
    if not shown:
        raise NothingToDraw(f"no precision over recall of '{setting}'", "plot")
    base = (
        alt.Chart()
        .transform_filter(
            "datum.setting == setting && datum.iou == iou && datum.of_class == of_class"
        )
        .transform_flatten(["recall", "precision"])
        .encode(
            x=alt.X("recall:Q").scale(domain=[0, 1]).axis(format="%", title="recall"),
            y=alt.Y("precision:Q").scale(domain=[0, 1]).axis(format="%", title="precision"),
            color=alt.Color("network:N", sort=None).legend(
                columns={"expr": "max(1, floor(width / 340))"},
                labelLimit={"expr": "min(320, width - 30)"},
            ),
        )
    )
    facts = "recall: format(datum.recall, '.0%'), precision: format(datum.precision, '.1%')"
    told = {"expr": f"{{title: datum.network, {facts}}}"}
    spoken = {
        "expr": "datum.network + ': precision ' + format(datum.precision, '.1%')"
        " + ' at a recall of ' + format(datum.recall, '.0%')"
    }
    layers = [
        base.mark_line(strokeWidth=2, aria=False),
        base.transform_filter("round(1000 * datum.recall) % 100 == 0").mark_point(
            filled=True, size=36, opacity=1, tooltip=told, description=spoken
        ),
    ]
    return (
        alt.LayerChart(layer=layers, data=alt.Data(values=rows))
        .add_params(
            choice("of_class", "Class", distinct(rows, "of_class"), ALL),
            choice("iou", "IoU", distinct(rows, "iou"), shown[0]["iou"]),
            choice("setting", "Setting", distinct(rows, "setting"), shown[0]["setting"]),
        )
        .properties(width=640, height=320)
        .configure(**theme.config())
    )
