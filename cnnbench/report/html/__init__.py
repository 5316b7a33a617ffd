"""``report.html`` and the pages of ``inspect`` and ``history``: files that open with no network.

Templates, style and scripts lie in ``page/``; the run itself is a block of JSON in the page. The
charts are those of `cnnbench.plots`, drawn by Vega, whose scripts are part of the page. Vega
interprets its expressions (``ast``), so the page's policy forbids evaluating text as code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, Template

from cnnbench import plots
from cnnbench.analysis.result import Addition
from cnnbench.metrics import METRICS, split
from cnnbench.plots import theme
from cnnbench.plots.curves import LAYERS
from cnnbench.report.html import data as html_data
from cnnbench.report.html.examples import examples
from cnnbench.report.sections import sections, verdict
from cnnbench.results.tables import Run
from cnnbench.selection.answer import Answer, answer, short_names
from cnnbench.selection.history import History
from cnnbench.text import shape_text
from cnnbench.units import show

_PAGE = Path(__file__).parent / "page"
_SCRIPTS = ("elements.js", "units.js", "charts.js", "table.js", "main.js")
_HEADS = ("layer", "type", "output", "params", "MACs", "FLOPs", "activation", "live", "px")


def page(run: Run, beside: Path | None = None) -> str:
    """Return the whole page of a run, or of a bare report.

    Args:
        run: the run.
        beside: folder that the page is written to; the page links from there to the files and logs
            of networks.
    """
    data, found = html_data.payload(run, beside), answer(run)
    text = _template("page.html").render(
        data=data,
        opening=found and verdict.of_answer(found),
        winner=found and _winner(found, run, data),
        sections=sections(run),
        examples=examples(run),
        roofline_missing=plots.MISSING_PEAKS if plots.is_without_peaks(run) else "",
        style=_style("page.css"),
        # Bundling Vega takes seconds and is most of the file.
        library=plots.library() if data["plots"]["charts"] else "",
        scripts=[_own(name) for name in _SCRIPTS],
    )
    return text + "\n"


def inspection_page(
    found: Mapping[str, Any], statement: str, additions: Sequence[Addition] = ()
) -> str:
    """Return the page for ``Inspection.to_json()``.

    Args:
        found: of the inspection.
        statement: the convention of the counts, in words.
        additions: what was measured or predicted beside the counts.
    """
    shape, layers = shape_text(found["input_shape"]), found["layers"]
    text = _template("inspection.html").render(
        title=f"{found['model']}, input {shape}, batch {found['batch_size']}",
        statement=statement,
        notes=found["notes"],
        metrics=[
            (name, f"{found['bounds'].get(name, '')} {value:,}".strip())
            for name, value in found["metrics"].items()
        ],
        facts=[fact for one in additions for fact in one.facts],
        tables=[table for one in additions for table in one.tables],
        charts={name: title for name, (title, _) in LAYERS.items()},
        data={"plots": plots.embedded({name: plots.layers(found, name) for name in LAYERS})},
        style=_style("inspection.css"),
        library=plots.library(),
        scripts=[_own("elements.js"), _own("charts.js")],
        heads=_HEADS,
        layers=[_row(layer) for layer in layers],
    )
    return text + "\n"


def history_page(found: History, title: str) -> str:
    """Return the page of a history: its charts and tables.

    Raises:
        UserError: no run has a value, or the metrics have different units.
    """
    text = _template("history.html").render(
        title=title,
        text=str(found),
        data={"plots": plots.embedded({"history": plots.over_runs(found)})},
        style=_style("inspection.css"),
        library=plots.library(),
        scripts=[_own("elements.js"), _own("charts.js")],
    )
    return text + "\n"


def _winner(found: Answer, run: Run, data: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the card of the network that answers the suite's question; None if none does."""
    winner = found.choice.winner
    if winner is None:
        return None
    numbers = [
        f"{shown} {winner.row.read(name).show(METRICS[split(name)[0]].unit)}"
        for name, shown in short_names(found.question).items()
    ]
    place = next(i for i, row in enumerate(run.measured.rows) if row is winner.row)
    return {"name": winner.name, "numbers": numbers, "links": data["rows"][place]["links"]}


def _row(layer: Mapping[str, Any]) -> list[str]:
    counts = [f"{layer[name]:,}" for name in ("params", "macs", "flops")]
    sizes = [show(layer[name], "bytes") for name in ("activation_bytes", "live_bytes")]
    shape = shape_text(layer["output_shape"])
    px = layer["receptive_field_px"]
    field = "" if px is None else str(px)
    return [layer["name"], layer["type"], shape, *counts, *sizes, field]


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
