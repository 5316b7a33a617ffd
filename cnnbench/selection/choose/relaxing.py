"""Nearest network if none fits, and the wider limits that would let one qualify."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cnnbench.selection.choose.candidate import Candidate
from cnnbench.selection.choose.limits import Limit


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
    known = [c for c in candidates if c.objective.is_ranked and _distance(c) < float("inf")]
    return min(known, key=lambda c: (c.verdict != "borderline", _distance(c)), default=None)


def relaxations(candidates: Sequence[Candidate], wanted: Sequence[Limit]) -> Iterator[Relaxation]:
    """Yield, for each limit, the smallest widening of it alone that lets a network qualify.

    Where no single limit is enough, the limits to widen together for the nearest network.
    """
    known = [c for c in candidates if c.objective.is_ranked and _distance(c) < float("inf")]
    needs = [(c, _needs(c, wanted)) for c in known]
    alone = False
    for limit in wanted:
        single = [(c, need[0][1]) for c, need in needs if len(need) == 1 and need[0][0] is limit]
        if single:
            alone = True
            candidate, value = min(single, key=lambda pair: limit.excess(pair[1]))
            yield Relaxation(candidate, ((limit, value),))
    best = nearest(candidates)
    if not alone and best is not None:
        yield Relaxation(best, tuple(_needs(best, wanted)))


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
