"""Candidates of a choice, its objective, and the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from cnnbench.metrics import Metric
from cnnbench.row import Row
from cnnbench.selection.choose.limits import Standing, Violation
from cnnbench.statistics.measurement import Measurement
from cnnbench.text import printable


@dataclass(frozen=True)
class Objective:
    """The metric that is maximised or minimised."""

    column: str
    metric: Metric
    sense: Literal["maximize", "minimize"]

    def badness(self, value: float) -> float:
        """Smaller is better."""
        return value if self.sense == "minimize" else -value


@dataclass(frozen=True, repr=False)
class Candidate:
    """A network and its standing.

    Attributes:
        verdict: ``fits``, ``borderline`` (an interval straddles a limit), ``excluded`` or
            ``unknown`` (a deciding number is missing).
        objective: its measurement of the objective.
        violated: limits that exclude it, with the excess or why that is unknown.
        straddled: limits that its intervals straddle.
        on_front: on the Pareto front.
        behind: distance to the winner in base units; None where there is no winner.
        tie_probability: probability that it is better than the winner, where the two are
            statistically tied; else None.
        is_tested: whether it was tested against the winner; else only the values were compared.
    """

    row: Row
    verdict: Standing
    objective: Measurement
    violated: tuple[Violation, ...] = ()
    straddled: tuple[Violation, ...] = ()
    on_front: bool = False
    behind: float | None = None
    tie_probability: float | None = None
    is_tested: bool = True

    def __str__(self) -> str:
        """Name, verdict and reasons: ``VGG16: excluded; file_bytes is 528 MB, …``."""
        return printable("; ".join([f"{self.name}: {self.verdict}", *self.reasons]))

    def __repr__(self) -> str:
        return f"<Candidate {printable(self.name)}: {self.verdict}>"

    @property
    def name(self) -> str:
        return self.row.name

    @property
    def reasons(self) -> list[str]:
        """Limits that it breaks or that its intervals straddle, in words."""
        return [*map(str, self.violated), *map(str, self.straddled)]

    @property
    def identity(self) -> dict[str, str]:
        return {"model": self.row.model, "variant": self.row.variant}

    def to_json(self) -> dict[str, Any]:
        return {
            **self.identity,
            **self.row.facts,
            "verdict": self.verdict,
            "value": self.objective.value,
            "interval": [self.objective.low, self.objective.high],
            "behind": self.behind,
            "violated": [violation.to_json() for violation in self.violated],
            "straddled": [violation.to_json() for violation in self.straddled],
        }


def pareto_front(points: Sequence[tuple[float, ...] | None]) -> list[bool]:
    """Return whether each point is on the Pareto front; smaller is better on every axis.

    A point dominates another if it is nowhere worse and somewhere better, so equal points are on
    the front together. None (an unknown coordinate) is never on it.
    """
    known = [point for point in points if point is not None]
    return [
        point is not None and not any(_dominates(other, point) for other in known)
        for point in points
    ]


def _dominates(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a != b and all(x <= y for x, y in zip(a, b, strict=True))
