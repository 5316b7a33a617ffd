"""Limits of a choice, and their violations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import Any, Literal

from cnnbench import units
from cnnbench.errors import UserError, brief
from cnnbench.metrics import Metric, of_number
from cnnbench.results.report import Report
from cnnbench.statistics.measurement import Measurement
from cnnbench.suite.question import limit_value

Side = Literal["max", "min"]
Standing = Literal["fits", "borderline", "excluded", "unknown"]
_MOST_OF_A_REASON = 160  # characters; the report has all of it


@dataclass(frozen=True)
class Limit:
    """``--max METRIC=VALUE`` or ``--min METRIC=VALUE``, its column found and its unit checked."""

    column: str
    metric: Metric
    side: Side
    value: float

    def excess(self, value: float) -> float:
        """Return ``value`` beyond the limit in base units; negative where it keeps the limit."""
        return value - self.value if self.side == "max" else self.value - value

    def standing(self, found: Measurement) -> Standing:
        """Return how a number compares with the limit; to fit, its whole interval must keep it."""
        if not found.is_ranked or found.value is None:
            return "unknown"
        if found.low is None or found.high is None:
            return "fits" if self.excess(found.value) <= 0 else "excluded"
        ends = [self.excess(end) for end in (found.low, found.value, found.high)]
        best, worst = min(ends), max(ends)
        return "fits" if worst <= 0 else "excluded" if best > 0 else "borderline"

    def show(self, value: float) -> str:
        """Return ``value`` as people read it."""
        return units.show(value, self.metric.unit)

    def __str__(self) -> str:
        sign = "≤" if self.side == "max" else "≥"
        return f"{self.column} {sign} {self.show(self.value)}"


@dataclass(frozen=True)
class Violation:
    """A limit that a network breaks, or that its interval straddles.

    Attributes:
        column, metric: what is limited.
        found: its measurement.
        limit: the limit; None for an objective that is missing or may not be ranked.
    """

    column: str
    metric: Metric
    found: Measurement
    limit: Limit | None = None

    @property
    def excess(self) -> float | None:
        """Value beyond the limit (negative where only the interval is beyond it), if known."""
        if self.limit is None or self.found.value is None or not self.found.is_ranked:
            return None
        return self.limit.excess(self.found.value)

    @property
    def relative(self) -> float:
        """Excess as a share of the limit; infinite where the value is unknown."""
        if self.limit is None or self.excess is None:
            return float("inf")
        return self.excess / (abs(self.limit.value) or 1.0)

    def __str__(self) -> str:
        """The value and its distance to the limit, or why it is unknown."""
        limit, value, excess, unit = self.limit, self.found.value, self.excess, self.metric.unit
        if limit is None or value is None or excess is None:
            return f"{self.column}: {brief(self.found.why_absent, _MOST_OF_A_REASON)}"
        allowed = limit.show(limit.value)
        if limit.standing(self.found) == "borderline":
            return f"{self.column} is {self.found.show(unit)}, the limit is {allowed}"
        words = f"{self.column} is {limit.show(value)}"
        if limit.value and self.relative > 1:
            times = units.show(1 + self.relative, "count")
            return f"{words}, {times} times the limit of {allowed}"
        side = "over" if value > limit.value else "under"
        share = f" ({100 * self.relative:.0f} %)" if limit.value and unit != "fraction" else ""
        return f"{words}, {difference(excess, unit)}{share} {side} {allowed}"

    def to_json(self) -> dict[str, Any]:
        """Return ``{metric, limit, value, excess}``, and the interval or the reason."""
        is_known = self.excess is not None
        words: dict[str, Any] = {
            "metric": self.column,
            "limit": self.limit.value if self.limit else None,
            "value": self.found.value if is_known or self.limit is None else None,
            "excess": self.excess,
        }
        if is_known and self.found.low is not None:
            words["interval"] = [self.found.low, self.found.high]
        return words if is_known else {**words, "reason": self.found.why_absent}


def difference(value: float, unit: units.Unit) -> str:
    """Return a distance in words; of fractions in percentage points."""
    return f"{100 * value:.1f} points" if unit == "fraction" else units.show(value, unit)


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
    report: Report,
) -> list[Limit]:
    """Resolve limits against a report's columns and check their units.

    Raises:
        UserError: an unknown or ambiguous metric, or a unit that does not fit it.
    """
    pairs = wanted.items() if isinstance(wanted, Mapping) else wanted
    return [_limit(name, value, side, report) for name, value in pairs]


def _limit(name: str, value: str | float, side: Side, report: Report) -> Limit:
    where = f"--{side}"
    column, metric = numeric_column(name, report, where)
    limit = limit_value(name, value, metric, where)
    return Limit(column, metric, side, limit)


def numeric_column(name: str, report: Report, where: str) -> tuple[str, Metric]:
    """Return the one column that ``name`` means, and its metric.

    Raises:
        UserError: unknown, ambiguous, or a column of words.
    """
    column = report.resolve(name, where)
    metric = of_number(column)
    if metric is None:
        raise UserError(f"'{column}' is not a number", where, "name a metric, for example file")
    return column, metric


def contradictions(wanted: Iterable[Limit]) -> None:
    """Raise `UserError` if no value can keep two limits of one metric."""
    for low, high in permutations(wanted, 2):
        is_pair = low.column == high.column and (low.side, high.side) == ("min", "max")
        if is_pair and low.value > high.value:
            raise UserError(f"no value can keep both {low} and {high}")
