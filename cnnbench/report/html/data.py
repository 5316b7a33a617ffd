"""Data of ``report.html``: a run as plain JSON, numbers in base units, texts unescaped.

The page shows all of it as text, never as markup; see ``page/``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cnnbench import __version__, plots
from cnnbench.environment import flat
from cnnbench.errors import UserError
from cnnbench.metrics import METRICS, of_column, split
from cnnbench.plots import records
from cnnbench.report import layout
from cnnbench.report.html.links import links
from cnnbench.report.remarks import remarks
from cnnbench.results import run_files
from cnnbench.results.report import Report
from cnnbench.results.tables import Run
from cnnbench.row import Row
from cnnbench.suite import question as questions
from cnnbench.suite import yaml_source
from cnnbench.tasks.task import ranking_metrics
from cnnbench.text import FORMULA
from cnnbench.units import SCALES

_DECIDING = "What decides"
_FIRST = ("Accuracy", "Latency")  # what is asked for first stands first
_OTHER = {
    "s": "Other times",
    "per_s": "Rates",
    "bytes": "Other memory and sizes",
    "fraction": "Other accuracies",
}

# Question, the metric that answers it, and a metric that answers it better where there is one.
_GLANCE = (
    ("Fastest", "latency_p50_s", ""),
    ("Smallest file", "file_bytes", ""),
    ("Fewest bytes of weights", "weight_bytes", "file_bytes"),
    ("Fewest MACs", "macs", ""),
    ("Least memory", "memory_infer_peak_bytes", ""),
)


def payload(run: Run, beside: Path | None = None) -> dict[str, Any]:
    """Return everything that the page shows of ``run``.

    Args:
        run: the run, or a bare report.
        beside: folder that the page is written to, for links to the run's files.
    """
    rows = run.measured.rows
    columns = list(_columns(run))
    suite = _suite(run.path)
    return {
        "version": __version__,
        "title": _title(run.path),
        "description": _description(suite),
        "suite": suite,
        "formula": FORMULA.pattern,
        "scales": SCALES,
        "columns": columns,
        "glance": list(_glance(run.measured, columns)),
        "rows": [
            {
                "name": row.name,
                "model": row.model,
                "variant": row.variant,
                "facts": row.facts,
                "cells": [_cell(row, str(column["name"])) for column in columns],
                "links": of_row,
            }
            for row, of_row in zip(rows, links(run, beside), strict=True)
        ],
        "remarks": list(remarks(run.measured)),
        "plots": plots.embedded(_charts(run)),
        "mistakes": _mistakes(run),
        "environment": _environment(run.environment),
    }


def _charts(run: Run) -> dict[str, Any]:
    """Return the charts of the page by section, without those that would be empty."""
    makers = {
        "tradeoff": plots.tradeoff,
        "latency": plots.latency,
        "roofline": plots.roofline,
        "over_rate": plots.over_rate,
        "memory": plots.memory_of_run,
        "timelines": plots.timeline,
        "learning": plots.learning,
        "confusion": plots.confusion,
        "precision_recall": plots.precision_recall,
    }
    found = {}
    for name, make in makers.items():
        with contextlib.suppress(plots.NothingToDraw):
            found[name] = make(run)
    return found


def _mistakes(run: Run) -> list[dict[str, Any]]:
    """The most frequent mistakes in words, for readers who cannot see the matrix."""
    return [
        {"network": one["network"], "setting": one["setting"], "words": records.mistakes(one)}
        for one in records.confusions(run.raw)
    ]


def _columns(run: Run) -> Iterator[dict[str, Any]]:
    """Yield the columns: those that decide first, then by group, then what is not shown at once."""
    report = run.measured
    usual = {column.name: column.group for column in layout.columns(report)}
    labels = layout.short_labels(report)
    deciding = _deciding(run, list(usual))
    groups = list(dict.fromkeys((*_FIRST, *usual.values())))
    ordered = sorted(usual, key=lambda name: groups.index(usual[name]))
    for name in dict.fromkeys((*deciding, *ordered, *report.numbers)):
        metric = of_column(name)
        if metric is None or not report.has_value(name):
            continue
        yield {
            "name": name,
            "metric": metric.name,
            "title": metric.title,
            "label": split(name)[1],
            "short": labels[split(name)[1]],
            "unit": metric.unit,
            "better": metric.better,
            "group": _DECIDING if name in deciding else usual.get(name) or _group(metric.name),
            "shown": name in usual or name in deciding,
            "decides": name in deciding,
            "published": metric.is_published,
        }


def _deciding(run: Run, usual: Sequence[str]) -> list[str]:
    """Return the columns that a small screen shows: the question's, else quality, time and size.

    Of several settings LiteRT's is taken, else that of most networks.
    """
    question = questions.read(run.path)
    if question is not None:
        return [name for name in question.columns if run.measured.has_value(name)]
    found = []
    for wanted in (ranking_metrics(), ("latency_p50_s",), ("file_bytes", "weight_bytes", "params")):
        names = [name for metric in wanted for name in usual if split(name)[0] == metric]
        axes = {name: run.measured.axes(name) for name in names}
        in_litert = [name for name in names if axes[name].get("runtime") == "litert"]
        named = in_litert or sorted(names, key=lambda name: -_count(run.measured, name))
        found += named[:1]
    return found


def _glance(report: Report, columns: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, int]]:
    """Yield the questions that the page answers first, each with the place of its column.

    A published accuracy stands in for a measured one, and weights for a file. Of several settings
    LiteRT's is taken, else the one of most networks, the last of several such.
    """
    places: dict[str, list[int]] = {}
    for place, column in enumerate(columns):
        places.setdefault(column["metric"], []).append(place)
    ranked_by = ranking_metrics()
    wanted = [(_most(name), name, "") for name in ranked_by]
    wanted += [(f"{_most(name)}, published", f"published_{name}", name) for name in ranked_by]
    for words, metric, better in (*wanted, *_GLANCE):
        found = [] if better in places else places.get(metric, [])
        names = {place: report.axes(columns[place]["name"]) for place in found}
        in_litert = [place for place, axes in names.items() if axes.get("runtime") == "litert"]
        values = {place: _count(report, columns[place]["name"]) for place in found}
        most = [place for place in found if values[place] == max(values.values())]
        yield from ((words, place) for place in (in_litert[:1] or most[-1:]))


def _count(report: Report, name: str) -> int:
    """Return the number of networks with a value in a column."""
    return sum(row.get(name).value is not None for row in report.rows)


def _most(metric: str) -> str:
    is_accuracy = METRICS[metric].title.startswith("Top-")  # of a classifier's answers
    return "Most accurate" if is_accuracy else f"Best {METRICS[metric].phrase}"


def _group(metric: str) -> str:
    known = METRICS[metric]
    return known.group or _OTHER.get(known.unit, "Other counts")


def _cell(row: Row, name: str) -> list[Any] | None:
    """``[value, low, high, verdict, status]``; None where nothing is known."""
    found = row.read(name)
    if found.value is None and not found.status.is_known:
        return None
    return [found.value, found.low, found.high, str(found.verdict), str(found.status)]


def _environment(environment: Mapping[str, Any]) -> list[list[str]]:
    """Return pairs of a fact's name and its text, nested facts by their path."""
    beside = {name: fact for name, fact in environment.items() if name != "fingerprint"}
    facts = [*flat(beside).items(), *flat(environment.get("fingerprint", {})).items()]
    return [
        [name.replace(".", " ").replace("_", " "), _words(fact)]
        for name, fact in facts
        if fact is not None
    ]


def _words(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_words(item) for item in value)
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _suite(path: Path) -> str:
    """The suite of the run in ``path``; empty where there is none."""
    try:
        return run_files.read_text(path / "suite.yaml", yaml_source.MOST_BYTES)
    except (OSError, ValueError):
        return ""


def _description(suite: str) -> str:
    """Return the suite's description, in its own words; empty if it has none."""
    try:
        found = yaml_source.parse(suite, "suite.yaml").data
    except UserError:
        return ""
    words = found.get("description", "") if isinstance(found, dict) else ""
    return words if isinstance(words, str) else ""


def _title(path: Path) -> str:
    """``mobile, 20261124T062948Z``: the suite and the run; of a CSV its file name."""
    folder = path.resolve()
    if not path.is_dir():
        return folder.name
    return (
        folder.name if folder.parent.name == "published" else f"{folder.parent.name}, {folder.name}"
    )
