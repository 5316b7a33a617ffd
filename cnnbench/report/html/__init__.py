"""``report.html`` and the page of ``inspect``: each one file that opens with no network.

Templates, style and scripts lie in ``page/``; the run itself is a block of JSON in the page. The
charts are those of `cnnbench.plots`, drawn by Vega, whose scripts are part of the page. Vega
interprets its expressions (``ast``), so the page's policy forbids evaluating text as code.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, Template

from cnnbench import plots
from cnnbench.plots import theme
from cnnbench.plots.curves import LAYERS
from cnnbench.report.html import data as html_data
from cnnbench.report.html.examples import examples
from cnnbench.report.sections import sections
from cnnbench.results.tables import Run
from cnnbench.text import shape_text
from cnnbench.units import show

_PAGE = Path(__file__).parent / "page"
_SCRIPTS = ("elements.js", "units.js", "charts.js", "table.js", "main.js")
_HEADS = ("layer", "type", "output", "params", "MACs", "FLOPs", "activation", "live", "px")


def page(run: Run) -> str:
    """Return the whole page of a run, or of a bare report."""
    text = _template("page.html").render(
        data=html_data.payload(run),
        sections=sections(run),
        examples=examples(run),
        style=_style("page.css"),
        library=plots.library(),
        scripts=[_own(name) for name in _SCRIPTS],
    )
    return text + "\n"


def inspection_page(found: Mapping[str, Any], statement: str) -> str:
    """Return the page for ``Inspection.to_json()``; ``statement`` is the convention in words."""
    shape, layers = shape_text(found["input_shape"]), found["layers"]
    text = _template("inspection.html").render(
        title=f"{found['model']}, input {shape}, batch {found['batch_size']}",
        statement=statement,
        notes=found["notes"],
        metrics=[
            (name, f"{found['bounds'].get(name, '')} {value:,}".strip())
            for name, value in found["metrics"].items()
        ],
        charts={name: title for name, (title, _) in LAYERS.items()},
        data={"plots": plots.embedded({name: plots.layers(found, name) for name in LAYERS})},
        style=_style("inspection.css"),
        library=plots.library(),
        scripts=[_own("elements.js"), _own("charts.js")],
        heads=_HEADS,
        layers=[_row(layer) for layer in layers],
    )
    return text + "\n"


def _row(layer: Mapping[str, Any]) -> list[str]:
    counts = [f"{layer[name]:,}" for name in ("params", "macs", "flops")]
    sizes = [show(layer[name], "bytes") for name in ("activation_bytes", "live_bytes")]
    shape = shape_text(layer["output_shape"])
    return [layer["name"], layer["type"], shape, *counts, *sizes, str(layer["receptive_field_px"])]


def _style(*names: str) -> str:
    """Return the colours, the style of charts and the files ``names`` as one sheet."""
    return theme.style_sheet() + "".join(_own(name) for name in ("charts.css", *names))


def _template(name: str) -> Template:
    """Return one of the pages' templates; every text that is put into it is escaped."""
    environment = Environment(loader=FileSystemLoader(_PAGE), autoescape=True)
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}  # tooltips keep their order
    return environment.get_template(name)


def _own(name: str) -> str:
    """Return one of the pages' own files, which holds no user's text and needs no escaping."""
    return (_PAGE / name).read_text(encoding="utf-8")
