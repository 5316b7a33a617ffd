"""``report.html``: one file that opens with no network, on a screen, a phone and paper.

Templates, style and scripts lie in ``page/``; the run itself is a block of JSON in the page. The
charts are those of `cnnbench.plots`, drawn by Vega, whose scripts are part of the page. Vega
interprets its expressions (``ast``), so the page's policy forbids evaluating text as code.
"""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, Template

from cnnbench import plots
from cnnbench.plots import theme
from cnnbench.report.html import data as html_data
from cnnbench.report.sections import sections
from cnnbench.results.tables import Run

_PAGE = Path(__file__).parent / "page"
_SCRIPTS = ("elements.js", "units.js", "charts.js", "table.js", "main.js")


def page(run: Run) -> str:
    """Return the whole page of a run, or of a bare report."""
    data = html_data.payload(run)
    text = template("page.html").render(
        data=data,
        sections=sections(run.measured),
        style=style("page.css"),
        library=plots.library(),
        scripts=[own(name) for name in _SCRIPTS],
    )
    return text + "\n"


def style(*names: str) -> str:
    """Return the colours, the style of charts and the files ``names`` as one sheet."""
    return theme.style_sheet() + "".join(own(name) for name in ("charts.css", *names))


def template(name: str) -> Template:
    """Return one of the pages' templates; every text that is put into it is escaped."""
    environment = Environment(loader=FileSystemLoader(_PAGE), autoescape=True)
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}  # tooltips keep their order
    return environment.get_template(name)


def own(name: str) -> str:
    """Return one of the pages' own files, which holds no user's text and needs no escaping."""
    return (_PAGE / name).read_text(encoding="utf-8")
