"""Limits of a choice: how they are written, and how a number stands to one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from cnnbench import units
from cnnbench.errors import UserError
from cnnbench.metrics import Metric, of_number
from cnnbench.results.merge import Columns
from cnnbench.statistics.measurement import Measurement

Side = Literal["max", "min"]
Standing = Literal["fits", "borderline", "excluded", "unknown"]


@dataclass(frozen=True)
class Limit:
    """``--max METRIC=VALUE`` or ``--min METRIC=VALUE``, its column found and its unit checked."""

    column: str
    metric: Metric
    side: Side
    value: float

    def excess(self, value: float) -> float:
        """By how much ``value`` breaks the limit, in base units; negative where it keeps it."""
        return value - self.value if self.side == "max" else self.value - value

    def standing(self, found: Measurement) -> Standing:
        """How a number stands to the limit; its whole interval must keep it to fit."""
        if not found.is_ranked or found.value is None:
            return "unknown"
        if found.low is None or found.high is None:
            return "fits" if self.excess(found.value) <= 0 else "excluded"
        ends = [self.excess(end) for end in (found.low, found.value, found.high)]
        best, worst = min(ends), max(ends)
        return "fits" if worst <= 0 else "excluded" if best > 0 else "borderline"

    def show(self, value: float) -> str:
        """``value`` as people read it."""
        return units.show(value, self.metric.unit)

    def __str__(self) -> str:
        sign = "≤" if self.side == "max" else "≥"
        return f"{self.column} {sign} {self.show(self.value)}"


def read_option(text: str, option: str) -> tuple[str, str]:
    """``'file=10MB'`` -> ``('file', '10MB')``; a setting may hold an ``=`` itself.

    Raises:
        UserError: no ``=``, or nothing on one of its sides.
    """
    name, equals, value = text.rpartition("=")
    if not (equals and name.strip() and value.strip()):
        raise UserError(f"'{text}' is not METRIC=VALUE", option, "for example file=10MB")
    return name.strip(), value.strip()


def limits(
    wanted: Mapping[str, str | float] | Iterable[tuple[str, str | float]],
    side: Side,
    columns: Columns,
) -> list[Limit]:
    """Resolve limits against a table's columns and check their units.

    Raises:
        UserError: an unknown or ambiguous metric, or a unit that does not fit it.
    """
    pairs = wanted.items() if isinstance(wanted, Mapping) else wanted
    return [_limit(name, value, side, columns) for name, value in pairs]


def _limit(name: str, value: str | float, side: Side, columns: Columns) -> Limit:
    where = f"--{side}"
    column, metric = numeric_column(name, columns, where)
    limit = units.parse(value, metric.unit, f"{where} {name}")
    if limit < 0 or (metric.unit == "fraction" and limit > 1):
        least = "from 0 to 100 %, as 92% or 0.92" if metric.unit == "fraction" else "0 at least"
        raise UserError(f"no {metric.title} is {units.show(limit, metric.unit)}", where, least)
    return Limit(column, metric, side, limit)


def numeric_column(name: str, columns: Columns, where: str) -> tuple[str, Metric]:
    """The one column that ``name`` means, and its metric.

    Raises:
        UserError: unknown, ambiguous, or a column of words.
    """
    column = columns.resolve(name, where)
    metric = of_number(column)
    if metric is None:
        raise UserError(f"'{column}' is no number", where, "name a metric, for example file")
    return column, metric


def contradictions(wanted: Iterable[Limit]) -> None:
    """Raise `UserError` where no value at all can keep two limits of one metric."""
    lowest: dict[str, Limit] = {}
    highest: dict[str, Limit] = {}
    for limit in wanted:
        known = lowest if limit.side == "min" else highest
        strictest = max if limit.side == "min" else min
        known[limit.column] = strictest(known.get(limit.column, limit), limit, key=_value)
    for column in lowest.keys() & highest.keys():
        if lowest[column].value > highest[column].value:
            raise UserError(f"no value can keep both {lowest[column]} and {highest[column]}")


def _value(limit: Limit) -> Any:
    return limit.value
