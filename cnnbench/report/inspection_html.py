"""What ``inspect`` found as one HTML page: MACs, parameters and memory over depth.

Self-contained: inline SVG and styles, no script, nothing is loaded from anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from cnnbench.core.units import Unit, show

WIDTH, HEIGHT = 1000, 160
CHARTS: tuple[tuple[str, str, Unit], ...] = (
    ("macs", "MACs of each layer", "count"),
    ("params", "Parameters of each layer", "count"),
    ("activation_bytes", "Output of each layer", "bytes"),
    ("live_bytes", "Activations alive while each layer runs", "bytes"),
)
STYLE = """
body { font: 15px/1.4 system-ui, sans-serif; margin: 2rem auto; max-width: 1040px; color: #222;
       background: #fff; padding: 0 1rem; }
svg { width: 100%; height: auto; background: #f5f6f8; }
rect { fill: #3565a9; } rect:hover { fill: #d1633c; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13px; }
td, th { padding: 2px 10px 2px 0; text-align: right; white-space: nowrap; }
td:nth-child(-n+3), th:nth-child(-n+3) { text-align: left; }
p.note { color: #555; } .scroll { overflow-x: auto; }
@media (prefers-color-scheme: dark) {
  body { color: #ddd; background: #16181c; } svg { background: #22252b; }
  rect { fill: #7fa8e0; } p.note { color: #aaa; }
}
"""


def page(found: Mapping[str, Any], statement: str) -> str:
    """The whole page for ``Inspection.to_json()``; ``statement`` is the convention in words."""
    shape = "x".join(str(size) for size in found["input_shape"])
    title = escape(f"{found['model']}, input {shape}, batch {found['batch_size']}")
    uncounted = ", ".join(found["uncounted_ops"])
    missing = f"<p><b>Not counted:</b> {escape(uncounted)}</p>" if uncounted else ""
    charts = "".join(_chart(found["layers"], *chart) for chart in CHARTS)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}</style><h1>{title}</h1>"
        f'<p class="note">{escape(statement)} MACs and FLOPs are per image, activation memory '
        f"per batch.</p>{missing}{_metrics(found['metrics'])}{charts}{_layers(found['layers'])}"
        "</html>\n"
    )


def _metrics(metrics: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{value:,}</td></tr>" for name, value in metrics.items()
    )
    return f"<table>{rows}</table>"


def _chart(layers: Sequence[Mapping[str, Any]], key: str, title: str, unit: Unit) -> str:
    """A bar a layer from the input on the left to the output on the right."""
    top = max((layer[key] for layer in layers), default=0) or 1
    step = WIDTH / max(len(layers), 1)
    bars = []
    for index, layer in enumerate(layers):
        height = HEIGHT * layer[key] / top
        label = escape(f"{layer['name']} ({layer['type']}): {show(layer[key], unit)}")
        bars.append(
            f'<rect x="{index * step:.2f}" y="{HEIGHT - height:.2f}" width="{0.9 * step:.2f}" '
            f'height="{height:.2f}"><title>{label}</title></rect>'
        )
    return (
        f"<h2>{escape(title)}</h2><p class='note'>highest bar: {escape(show(top, unit))}</p>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
        f"{''.join(bars)}</svg>"
    )


def _layers(layers: Sequence[Mapping[str, Any]]) -> str:
    titles = ("layer", "type", "output", "params", "MACs", "FLOPs", "activation", "live", "px")
    head = "".join(f"<th>{title}</th>" for title in titles)
    rows = "".join(
        "<tr>"
        + "".join(
            f"<td>{escape(str(cell))}</td>"
            for cell in (
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
        )
        + "</tr>"
        for layer in layers
    )
    return f'<h2>Layers</h2><div class="scroll"><table><tr>{head}</tr>{rows}</table></div>'
