"""Errors and predictions as text, Markdown and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

from cnnbench import safe_json
from cnnbench.forecast.forecaster import LIMIT, Forecast, Prediction
from cnnbench.forecast.forecasts import Forecasts
from cnnbench.markdown import markdown
from cnnbench.text import printable_lines

Form = Literal["text", "md", "json"]

_HEADS = ("Call path", "Networks", "Families", "Median error", "90 % below")
_BY_MACS = "Median error of MACs alone"


def errors(fitted: Forecasts, form: Form) -> str:
    """Return the error of every forecast on families that it was not fitted on."""
    if form == "json":
        return safe_json.as_table([_facts(one) for one in fitted.found]) + "\n"
    rows = [
        (
            one.setting,
            str(len(one.table.names)),
            str(len(set(one.table.families))),
            _percent(one.median_error),
            _percent(one.p90_error),
            _percent(one.macs_error),
        )
        for one in fitted.found
    ]
    notes = [
        "Errors are of networks whose whole family was left out of the fit.",
        *(_verdict(one) for one in fitted.found),
        *(f"{setting}: no forecast: {why}." for setting, why in fitted.too_few.items()),
    ]
    return _table((*_HEADS, _BY_MACS), rows, notes, form, numbers=(1, 2, 3, 4, 5))


def predictions(found: Mapping[str, Sequence[Prediction]], form: Form) -> str:
    """Return the predicted latencies by network."""
    if form == "json":
        facts = [{"model": model, **one.to_json()} for model, many in found.items() for one in many]
        return safe_json.as_table(facts) + "\n"
    rows = [
        (model if place == 0 else "", one.setting, str(one))
        for model, many in found.items()
        for place, one in enumerate(many)
    ]
    return _table(("Model", "Call path", "Latency"), rows, [], form)


def too_few(fitted: Forecasts) -> str:
    """Return why there is no forecast, in words."""
    reasons = [f"{setting}: {why}" for setting, why in fitted.too_few.items()]
    return "; ".join(reasons) or "no latency was measured on this machine"


def _facts(one: Forecast) -> dict[str, Any]:
    return {
        "setting": one.setting,
        "networks": len(one.table.names),
        "families": sorted(set(one.table.families)),
        "median_error": one.median_error,
        "p90_error": one.p90_error,
        "macs_median_error": one.macs_error,
        "orders_a_search": one.is_usable,
    }


def _verdict(one: Forecast) -> str:
    if one.is_usable:
        return f"{one.setting}: good enough to order a search."
    return (
        f"{one.setting}: not good enough to order a search, for which a median error of at most "
        f"{_percent(LIMIT)} is needed."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _table(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    notes: Sequence[str],
    form: Form,
    numbers: Sequence[int] = (),
) -> str:
    """Return a table with notes below it; ``numbers`` are the columns aligned to the right."""
    if form == "md":
        listed = [f"- {markdown(note)}" for note in notes]
        return _joined(list(_markdown(heads, rows, numbers)), listed)
    drawn = Table(box=None, pad_edge=False)
    for place, head in enumerate(heads):
        drawn.add_column(head, justify="right" if place in numbers else "left", no_wrap=True)
    for row in rows:
        drawn.add_row(*row)
    out = StringIO()
    Console(file=out, width=400, highlight=False, markup=False, emoji=False).print(drawn)
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    return printable_lines(_joined(lines, notes))


def _joined(lines: Sequence[str], notes: Sequence[str]) -> str:
    return "\n".join([*lines, *(["", *notes] if notes else [])]) + "\n"


def _markdown(
    heads: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int]
) -> Iterator[str]:
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "|".join("---:" if n in numbers else "---" for n in range(len(heads))) + "|"
    for row in rows:
        yield "| " + " | ".join(map(markdown, row)) + " |"
