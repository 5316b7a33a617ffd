"""``report.html``: one file that opens with no network, on a screen, a phone and paper.

Templates, style and scripts lie in ``page/``; the run itself is a block of JSON in the page.

The charts are some 400 lines of our own SVG rather than plotly, though a library is the rule of
this project: plotly.js would make every report several MB in place of 0.1 MB, needs a looser
content policy than "nothing but what is in this file", and its charts neither take part in the
page's light, dark and print styles nor can be read with a keyboard or by a touch. matplotlib draws
the static picture (`cnnbench.report.plots`).
"""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, Template

from cnnbench.report.html import data as html_data
from cnnbench.report.sections import sections
from cnnbench.results.tables import Run

_PAGE = Path(__file__).parent / "page"
_SCRIPTS = (
    "units.js",
    "svg.js",
    "table.js",
    "tradeoff.js",
    "charts.js",
    "confusion.js",
    "timeline.js",
    "main.js",
)


def page(run: Run) -> str:
    """The whole page of a run, or of a bare report."""
    data = html_data.payload(run)
    text = template("page.html").render(
        data=data,
        sections=sections(run.measured),
        style=_own("page.css"),
        scripts=[_own(name) for name in _SCRIPTS],
    )
    return text + "\n"


def template(name: str) -> Template:
    """One of the pages' templates; every text that is put into it is escaped."""
    return Environment(loader=FileSystemLoader(_PAGE), autoescape=True).get_template(name)


def _own(name: str) -> str:
    """One of the page's own files: no user's text, so that the template takes it as it is."""
    return (_PAGE / name).read_text(encoding="utf-8")
