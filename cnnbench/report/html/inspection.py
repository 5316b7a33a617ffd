"""Result of ``inspect`` as one HTML page: MACs, parameters and memory over depth.

Self-contained, as ``report.html``: its charts, scripts and styles are part of the page.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cnnbench import plots
from cnnbench.plots.curves import LAYERS
from cnnbench.report.html import own, style, template
from cnnbench.text import shape_text
from cnnbench.units import show

_HEADS = ("layer", "type", "output", "params", "MACs", "FLOPs", "activation", "live", "px")


def page(found: Mapping[str, Any], statement: str) -> str:
    """Return the page for ``Inspection.to_json()``; ``statement`` is the convention in words."""
    shape, layers = shape_text(found["input_shape"]), found["layers"]
    text = template("inspection.html").render(
        title=f"{found['model']}, input {shape}, batch {found['batch_size']}",
        statement=statement,
        notes=found["notes"],
        metrics=[
            (name, f"{found['bounds'].get(name, '')} {value:,}".strip())
            for name, value in found["metrics"].items()
        ],
        charts={name: title for name, (title, _) in LAYERS.items()},
        data={"plots": plots.embedded({name: plots.layers(found, name) for name in LAYERS})},
        style=style("inspection.css"),
        library=plots.library(),
        scripts=[own("elements.js"), own("charts.js")],
        heads=_HEADS,
        layers=[_row(layer) for layer in layers],
    )
    return text + "\n"


def _row(layer: Mapping[str, Any]) -> tuple[Any, ...]:
    return (
        layer["name"],
        layer["type"],
        shape_text(layer["output_shape"]),
        f"{layer['params']:,}",
        f"{layer['macs']:,}",
        f"{layer['flops']:,}",
        show(layer["activation_bytes"], "bytes"),
        show(layer["live_bytes"], "bytes"),
        layer["receptive_field_px"],
    )
