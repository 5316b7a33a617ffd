"""Candidates of a choice, its objective, the Pareto front, and wider limits."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from cnnbench.metrics import Metric
from cnnbench.row import Row
from cnnbench.selection.choose.limits import Limit, Standing, Violation
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


@dataclass(frozen=True)
class Relaxation:
    """Wider limits that would let a network qualify.

    Attributes:
        candidate: the network.
        limits: each limit to widen, with its new value.
    """

    candidate: Candidate
    limits: tuple[tuple[Limit, float], ...]

    def to_json(self) -> dict[str, Any]:
        return {
            **self.candidate.identity,
            "limits": [
                {"metric": limit.column, "side": limit.side, "limit": limit.value, "to": value}
                for limit, value in self.limits
            ],
        }


def nearest(candidates: Sequence[Candidate]) -> Candidate | None:
    """Return a borderline network, else that with the smallest sum of relative violations.

    None where no network has all the deciding numbers.
    """
    return min(
        _known(candidates), key=lambda c: (c.verdict != "borderline", _distance(c)), default=None
    )


def relaxations(candidates: Sequence[Candidate], wanted: Sequence[Limit]) -> Iterator[Relaxation]:
    """Yield, for each limit, the smallest widening of it alone that lets a network qualify.

    Where no single limit is enough, the limits to widen together for the nearest network.
    """
    needs = [(c, _needs(c, wanted)) for c in _known(candidates)]
    singles = [(c, *need[0]) for c, need in needs if len(need) == 1]
    for limit in wanted:
        of_limit = [(c, value) for c, widened, value in singles if widened is limit]
        if of_limit:
            candidate, value = min(of_limit, key=lambda pair: limit.excess(pair[1]))
            yield Relaxation(candidate, ((limit, value),))
    best = nearest(candidates)
    if not singles and best is not None:
        yield Relaxation(best, tuple(_needs(best, wanted)))


def _known(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the candidates with all the deciding numbers."""
    return [c for c in candidates if c.objective.is_ranked and math.isfinite(_distance(c))]


def _distance(c: Candidate) -> float:
    return sum(max(0.0, violation.relative) for violation in (*c.violated, *c.straddled))


def _needs(c: Candidate, wanted: Sequence[Limit]) -> list[tuple[Limit, float]]:
    """Return the limits to widen for ``c`` to fit, each with the worse end of its interval."""
    needs = []
    for limit in wanted:
        found = c.row.read(limit.column)
        ends = [end for end in (found.value, found.low, found.high) if end is not None]
        worst = max(ends, key=limit.excess)
        if limit.excess(worst) > 0:
            needs.append((limit, _outward(worst, limit)))
    return needs


def _outward(value: float, limit: Limit) -> float:
    """Return ``value`` to three digits, rounded so that it keeps a limit of that value."""
    if not value:
        return value
    step = 10.0 ** (math.floor(math.log10(abs(value))) - 2)
    steps = value / step
    rounded = math.ceil(steps - 1e-9) if limit.side == "max" else math.floor(steps + 1e-9)
    return float(f"{rounded * step:.3g}")
