"""Reports merged into one, joined on model and variant, never on keys."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cnnbench import metrics
from cnnbench.errors import UserError
from cnnbench.metrics import METRICS, column, of_column, split
from cnnbench.results.report import DRIFTING, FACTS, REFERENCE, Report
from cnnbench.row import Row


def merge(reports: Sequence[Report]) -> tuple[Report, dict[str, list[str]]]:
    """Return all rows of several reports, and column -> networks with a replaced number.

    The same network in several reports becomes one row. Of a number that stands in several of
    them the last is taken; a blank never hides a number.

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
                rows.append(replace(row, facts=dict(row.facts), values=dict(row.values)))
                continue
            earlier = [other for other in earlier if other is not twin]
            for name in _take(row, twin):
                twice.setdefault(name, []).append(row.name)
    columns = dict.fromkeys(name for report in reports for name in report.columns)
    return Report(rows, tuple(columns)), twice


@dataclass(frozen=True)
class Columns:
    """All columns of several reports, in order, each once.

    Attributes:
        names: of all.
        filled: of those with a value in some row.
    """

    names: tuple[str, ...]
    filled: tuple[str, ...]

    @classmethod
    def of(cls, report: Report) -> Columns:
        """The columns of ``report``."""
        return cls(report.columns, tuple(filter(report.has_value, report.numbers)))

    def resolve(self, expression: str, where: str) -> str:
        """Return the one column that ``expression`` means; an empty one only as a last resort.

        Raises:
            UserError: none or several.
        """
        try:
            return metrics.resolve(expression, self.filled, where)
        except UserError:
            with contextlib.suppress(UserError):
                return metrics.resolve(expression, self.names, where)
            raise


def _twin(row: Row, rows: Sequence[Row]) -> Row | None:
    """Return the one of ``rows`` that is the same network as ``row``, or None."""
    found = [other for other in rows if _is_same(row, other)]
    if len(found) > 1:
        raise UserError(
            f"several rows may be the {row.name} of another table, which does not say its "
            + " or ".join(name for name in FACTS if name not in row.facts),
            hint="give all tables these columns, as every report.csv has them",
        )
    return found[0] if found else None


def _is_same(row: Row, other: Row) -> bool:
    """Same model and variant, and nothing known that tells them apart."""
    return (row.model, row.variant) == (other.model, other.variant) and all(
        row.facts[name] == other.facts[name] for name in row.facts.keys() & other.facts.keys()
    )


def _take(row: Row, twin: Row) -> list[str]:
    """Put the numbers of ``row`` into ``twin``; return those that replaced a different one."""
    replaced = []
    for name in filter(of_column, row.values):
        new, old = row.values[name], twin.values.get(name)
        known = old.value if old else None
        if known is None or new.value is not None:
            if known not in (None, new.value):
                replaced.append(name)
            twin.values[name] = new
            metric, label = split(name)
            reference = column(REFERENCE, label)
            if new.samples and METRICS[metric].unit in DRIFTING and reference in row.values:
                twin.values[reference] = row.values[reference]
    twin.facts |= row.facts
    return replaced
