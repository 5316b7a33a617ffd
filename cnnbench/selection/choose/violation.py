"""Which limits a network breaks or straddles, and by how much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cnnbench.metrics import Metric
from cnnbench.row import Row
from cnnbench.selection.choose.limits import Limit
from cnnbench.statistics.measurement import Measurement


@dataclass(frozen=True)
class Violation:
    """A limit that a network does not keep, or not surely.

    Attributes:
        column, metric: what is limited.
        limit: in base units; None for the objective, which has none.
        value: what the network has; None where it is unknown.
        excess: by how much the value is beyond the limit (below 0 where only its interval is).
        low, high: the interval, where there is one.
        reason: why the value is unknown; else empty.
    """

    column: str
    metric: Metric
    limit: float | None = None
    value: float | None = None
    excess: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str = ""

    @property
    def relative(self) -> float:
        """The excess as a share of the limit; infinite where the value is unknown."""
        if self.excess is None:
            return float("inf")
        return self.excess / (abs(self.limit or 0.0) or 1.0)

    @classmethod
    def of_objective(cls, column: str, metric: Metric, found: Measurement) -> Violation:
        """The objective itself is missing, or may not be ranked."""
        return cls(column, metric, value=found.value, reason=found.why_absent)

    @classmethod
    def of_limit(cls, limit: Limit, found: Measurement) -> Violation:
        """The number ``found`` held against ``limit``."""
        if not found.is_ranked or found.value is None:
            return cls(limit.column, limit.metric, limit.value, reason=found.why_absent)
        return cls(
            limit.column,
            limit.metric,
            limit.value,
            found.value,
            limit.excess(found.value),
            found.low,
            found.high,
        )

    def to_json(self) -> dict[str, Any]:
        """``{metric, limit, value, excess}``, and the interval or the reason."""
        words: dict[str, Any] = {
            "metric": self.column,
            "limit": self.limit,
            "value": self.value,
            "excess": self.excess,
        }
        if self.low is not None:
            words["interval"] = [self.low, self.high]
        if self.reason:
            words["reason"] = self.reason
        return words


def violations(row: Row, wanted: list[Limit]) -> tuple[list[Violation], list[Violation]]:
    """The limits that ``row`` breaks (or may break: unknown), and those that it straddles."""
    broken, straddled = [], []
    for limit in wanted:
        found = row.read(limit.column)
        standing = limit.standing(found)
        if standing in ("excluded", "unknown"):
            broken.append(Violation.of_limit(limit, found))
        elif standing == "borderline":
            straddled.append(Violation.of_limit(limit, found))
    return broken, straddled
