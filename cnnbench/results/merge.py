"""Reports merged into one, joined on model and variant, never on keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cnnbench.errors import UserError
from cnnbench.metrics import METRICS, column, of_column, split
from cnnbench.results.report import DRIFTING, FACTS, REFERENCE, Report
from cnnbench.row import Row


def merge(reports: Sequence[Report]) -> tuple[Report, dict[str, list[str]]]:
    """Return all rows of several reports, and column -> networks with a replaced number.

    The same network in several reports becomes one row. If several reports have a number, the
    last is taken; a blank hides neither a number nor the reason why there is none.

    Raises:
        UserError: a row without its input shape may be one of several.
    """
    rows: list[Row] = []
    twice: dict[str, list[str]] = {}
    for report in reports:
        earlier = list(rows)
        for row in report:
            twin = _twin(row, earlier)
            if twin is None:
                rows.append(
                    replace(
                        row, facts=dict(row.facts), values=dict(row.values), axes=dict(row.axes)
                    )
                )
                continue
            earlier = [other for other in earlier if other is not twin]
            for name in _take(row, twin):
                twice.setdefault(name, []).append(row.name)
    columns = dict.fromkeys(name for report in reports for name in report.columns)
    return Report(rows, tuple(columns)), twice


def _twin(row: Row, rows: Sequence[Row]) -> Row | None:
    """Return the one of ``rows`` that is the same network as ``row``, or None."""
    found = [other for other in rows if _is_same(row, other)]
    if len(found) > 1:
        raise UserError(
            f"several rows match {row.name} of another table, which lacks "
            + " or ".join(name for name in FACTS if name not in row.facts),
            hint="give all tables these columns, as every report.csv has them",
        )
    return found[0] if found else None


def _is_same(row: Row, other: Row) -> bool:
    """Return whether model and variant are the same and no known fact differs."""
    return (row.model, row.variant) == (other.model, other.variant) and all(
        row.facts[name] == other.facts[name] for name in row.facts.keys() & other.facts.keys()
    )


def _take(row: Row, twin: Row) -> list[str]:
    """Put the numbers of ``row`` into ``twin``; return those that replaced a different one.

    Why a number is missing is taken as well; a blank replaces nothing.
    """
    replaced = []
    for name in filter(of_column, row.values):
        new, old = row.values[name], twin.get(name)
        if new.value is None and (old.value is not None or not new.status.is_known):
            continue
        if old.value not in (None, new.value):
            replaced.append(name)
        twin.values[name] = new
        twin.axes[name] = row.axes.get(name, {})
        metric, label = split(name)
        reference = column(REFERENCE, label)
        if new.samples and METRICS[metric].unit in DRIFTING and reference in row.values:
            twin.values[reference] = row.values[reference]
    twin.facts |= row.facts
    return replaced
