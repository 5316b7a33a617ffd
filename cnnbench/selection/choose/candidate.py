"""Candidates of a choice, and its objective."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from cnnbench.metrics import Metric
from cnnbench.row import Row
from cnnbench.selection.choose.limits import Standing
from cnnbench.selection.choose.violation import Violation
from cnnbench.statistics.measurement import Measurement


@dataclass(frozen=True)
class Objective:
    """The metric that is maximised or minimised."""

    column: str
    metric: Metric
    sense: Literal["maximize", "minimize"]

    def badness(self, value: float) -> float:
        """Smaller is better."""
        return value if self.sense == "minimize" else -value


@dataclass(frozen=True)
class Candidate:
    """One network and how it stands.

    Attributes:
        verdict: ``fits``, ``borderline`` (an interval straddles a limit), ``excluded`` or
            ``unknown`` (a number that decides is missing).
        objective: its number of the objective.
        violated: the limits that exclude it, by how much, or why that is unknown.
        straddled: the limits that its intervals straddle.
        on_front: nothing known beats it in every respect at once.
        behind: by how much the winner is better, in base units; None where there is no winner.
        tie_probability: that it is truly better than the winner, where the two cannot be told
            apart; else None.
        is_tested: whether a test could be made against the winner; else the bare numbers decide.
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

    @property
    def name(self) -> str:
        return self.row.name

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
