"""What ``inspect`` found as one HTML page: MACs, parameters and memory over depth.

Self-contained: inline SVG and styles, no script, nothing is loaded from anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cnnbench.models.model_name import show as shape_in_words
from cnnbench.report.html import template
from cnnbench.units import Unit, show

_WIDTH, _HEIGHT = 1000, 160
_CHARTS: tuple[tuple[str, str, Unit], ...] = (
    ("macs", "MACs of each layer", "count"),
    ("params", "Parameters of each layer", "count"),
    ("activation_bytes", "Output of each layer", "bytes"),
    ("live_bytes", "Activations alive while each layer runs", "bytes"),
)
_HEADS = ("layer", "type", "output", "params", "MACs", "FLOPs", "activation", "live", "px")


def page(found: Mapping[str, Any], statement: str) -> str:
    """The whole page for ``Inspection.to_json()``; ``statement`` is the convention in words."""
    shape, layers = shape_in_words(tuple(found["input_shape"])), found["layers"]
    text = template("inspection.html").render(
        title=f"{found['model']}, input {shape}, batch {found['batch_size']}",
        statement=statement,
        notes=found["notes"],
        metrics=[
            (name, f"{found['bounds'].get(name, '')} {value:,}".strip())
            for name, value in found["metrics"].items()
        ],
        charts=[_chart(layers, *chart) for chart in _CHARTS],
        heads=_HEADS,
        layers=[_row(layer) for layer in layers],
        width=_WIDTH,
        height=_HEIGHT,
    )
    return text + "\n"


def _chart(layers: Sequence[Mapping[str, Any]], key: str, title: str, unit: Unit) -> dict[str, Any]:
    """A bar a layer from the input on the left to the output on the right."""
    top = max((layer[key] for layer in layers), default=0) or 1
    step = _WIDTH / max(len(layers), 1)
    heights = [_HEIGHT * layer[key] / top for layer in layers]
    return {
        "title": title,
        "top": show(top, unit),
        "bars": [
            {
                "x": f"{index * step:.2f}",
                "y": f"{_HEIGHT - height:.2f}",
                "width": f"{0.9 * step:.2f}",
                "height": f"{height:.2f}",
                "label": f"{layer['name']} ({layer['type']}): {show(layer[key], unit)}",
            }
            for index, (layer, height) in enumerate(zip(layers, heights, strict=True))
        ],
    }


def _row(layer: Mapping[str, Any]) -> tuple[Any, ...]:
    return (
        layer["name"],
        layer["type"],
        "x".join(str(size) for size in layer["output_shape"]),
        f"{layer['params']:,}",
        f"{layer['macs']:,}",
        f"{layer['flops']:,}",
        show(layer["activation_bytes"], "bytes"),
        show(layer["live_bytes"], "bytes"),
        layer["receptive_field_px"],
    )
