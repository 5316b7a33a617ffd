"""A network over its depth: work, parameters and memory of each layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cnnbench.plots import theme
from cnnbench.plots.axes import tick_label
from cnnbench.units import Unit, show

if TYPE_CHECKING:
    import altair as alt

TITLES: dict[str, tuple[str, Unit]] = {
    "macs": ("MACs of each layer", "count"),
    "params": ("Parameters of each layer", "count"),
    "activation_bytes": ("Output of each layer", "bytes"),
    "live_bytes": ("Activations alive while each layer runs", "bytes"),
}


def layers(inspection: Mapping[str, Any], metric: str) -> alt.Chart:
    """Return one bar per layer, from the input on the left to the output on the right.

    Args:
        inspection: ``Inspection.to_json()``.
        metric: a key of `TITLES`.
    """
    import altair as alt

    title, unit = TITLES[metric]
    rows = [
        {"depth": index, "layer": f"{layer['name']} ({layer['type']})"}
        | {"value": layer[metric], "text": show(layer[metric], unit)}
        for index, layer in enumerate(inspection["layers"])
    ]
    return theme.themed(
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
    )
