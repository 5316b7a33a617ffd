"""Choice of the best network within limits, with the certainty of it and the alternatives.

A number whose 95 % interval straddles a limit makes a network borderline; a winner that does not
differ significantly from the next is a tie.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from cnnbench.errors import UserError
from cnnbench.results.merge import merge
from cnnbench.results.report import Report
from cnnbench.results.tables import Run
from cnnbench.row import Row
from cnnbench.selection.choose import ties, warnings
from cnnbench.selection.choose.candidate import (
    Candidate,
    Objective,
    Relaxation,
    nearest,
    pareto_front,
    relaxations,
)
from cnnbench.selection.choose.limits import (
    Limit,
    Standing,
    Violation,
    contradictions,
    limits,
    numeric_column,
)

Table = pd.DataFrame | Run | Report
Wanted = Mapping[str, str | float] | Iterable[tuple[str, str | float]]
_WORST: Sequence[Standing] = ("unknown", "excluded", "borderline", "fits")


@dataclass(frozen=True, repr=False)
class Choice:
    """Result of a choice; ``print`` shows it as the command line does.

    Attributes:
        objective: the metric that was maximised or minimised.
        limits: as they were given.
        candidates: every network, the winner first, then the closest.
        winner: the best network whose intervals keep every limit, or None.
        nearest: where nothing fits, the network with the smallest violations.
        relaxations: where nothing fits, wider limits that would let a network qualify.
        warnings: incomparable or uncertain numbers that the choice is based on.
    """

    objective: Objective
    limits: tuple[Limit, ...]
    candidates: tuple[Candidate, ...]
    winner: Candidate | None = None
    nearest: Candidate | None = None
    relaxations: tuple[Relaxation, ...] = ()
    warnings: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        from cnnbench.selection.choose.text import as_text

        return as_text(self).rstrip("\n")

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from cnnbench.selection.choose.text import as_html

        return as_html(self)

    @property
    def ties(self) -> tuple[Candidate, ...]:
        """Networks that are statistically tied with the winner."""
        return tuple(c for c in self.candidates if c.tie_probability is not None)

    @property
    def front(self) -> tuple[Candidate, ...]:
        """Pareto front over the objective and the limited metrics, regardless of the limits."""
        return tuple(c for c in self.candidates if c.on_front)

    @property
    def undecided(self) -> tuple[Candidate, ...]:
        """Networks that may be better than the winner: neither excluded nor shown to be worse."""
        if self.winner is None:
            return ()
        best = self.objective.badness(self.winner.objective.value or 0.0)
        return tuple(
            c
            for c in self.candidates
            if c.verdict in ("borderline", "unknown")
            and (not c.objective.is_ranked or self._most(c) < best)
        )

    def _most(self, c: Candidate) -> float:
        """Return the better end of a candidate's objective, as badness."""
        ends = (c.objective.value, c.objective.low, c.objective.high)
        return min(self.objective.badness(end) for end in ends if end is not None)

    @property
    def runners_up(self) -> tuple[Candidate, ...]:
        """Other networks that fit, the closest first."""
        return tuple(c for c in self.candidates if c.verdict == "fits" and c is not self.winner)

    @property
    def table(self) -> pd.DataFrame:
        """The candidates as a table."""
        return pd.DataFrame([candidate.to_json() for candidate in self.candidates])

    def to_json(self) -> dict[str, Any]:
        """Return ``{winner, tie_with, front, candidates, …}``, plain values in base units."""
        return {
            "winner": self.winner.identity if self.winner else None,
            "tie_with": [
                {**c.identity, "probability_better": c.tie_probability} for c in self.ties
            ],
            "undecided": [c.identity for c in self.undecided],
            "not_tested": [c.identity for c in self.candidates if not c.is_tested],
            "front": [c.identity for c in self.front],
            "candidates": [c.to_json() for c in self.candidates],
            "objective": {"metric": self.objective.column, "sense": self.objective.sense},
            "limits": [
                {"metric": limit.column, "side": limit.side, "limit": limit.value}
                for limit in self.limits
            ],
            "nearest": self.nearest.identity if self.nearest else None,
            "relaxations": [relaxation.to_json() for relaxation in self.relaxations],
            "warnings": list(self.warnings),
        }


def choose(
    tables: Table | Sequence[Table],
    *,
    at_most: Wanted = (),
    at_least: Wanted = (),
    maximize: str | None = None,
    minimize: str | None = None,
) -> Choice:
    """Choose a network from one or several reports.

    Args:
        tables: reports, or runs as `cnnbench.load` gives them; merged on model and variant.
        at_most: metric -> limit (``{"file": "10MB", "latency_p90@cpu/litert/b1": "20ms"}``); a
            bare number is in base units.
        at_least: likewise, from below.
        maximize, minimize: the metric that decides; exactly one of the two.

    Raises:
        UserError: an unknown or ambiguous metric, a unit that does not fit, an empty table.
    """
    several = [tables] if isinstance(tables, pd.DataFrame | Run | Report) else tables
    report, replaced = merge([Report.of(table) for table in several])
    if not report.rows:
        raise UserError("the table is empty: there is nothing to choose from")
    objective = _objective(maximize, minimize, report)
    wanted = [*limits(at_most, "max", report), *limits(at_least, "min", report)]
    contradictions(wanted)
    return decide(report.rows, objective, wanted, replaced)


def decide(
    rows: Sequence[Row],
    objective: Objective,
    wanted: Sequence[Limit],
    replaced: Mapping[str, Sequence[str]] | None = None,
) -> Choice:
    """Choose a network from rows; a column that they do not have is not measured.

    Args:
        rows: of a report, at least one.
        objective, wanted: what decides, and the limits.
        replaced: column -> networks of which several tables have a number.
    """
    judged = [judge(row, objective, wanted) for row in rows]
    on_front = pareto_front([_point(c, objective, wanted) for c in judged])
    candidates = [replace(c, on_front=here) for c, here in zip(judged, on_front, strict=True)]
    used = list(dict.fromkeys([objective.column, *(limit.column for limit in wanted)]))
    remarks = [
        f"{name} is in several tables; the last one is used: {', '.join(models)}"
        for name, models in (replaced or {}).items()
        if name in used
    ]
    remarks += warnings.warnings(rows, used)
    fitting = [c for c in candidates if c.verdict == "fits"]
    found = Choice(objective, tuple(wanted), (), warnings=tuple(remarks))
    if not fitting:
        return replace(
            found,
            candidates=tuple(sorted(candidates, key=lambda c: _order(c, objective))),
            nearest=nearest(candidates),
            relaxations=tuple(relaxations(candidates, wanted)),
        )
    best = min(fitting, key=lambda c: _rank(c, objective, wanted))
    compared = _compared(best, candidates, objective)
    ordered = sorted(compared, key=lambda c: (c.row is not best.row, _order(c, objective)))
    return replace(found, candidates=tuple(ordered), winner=ordered[0])


def _objective(maximize: str | None, minimize: str | None, report: Report) -> Objective:
    if (maximize is None) == (minimize is None):
        raise UserError(
            "exactly one of --maximize and --minimize says what decides",
            hint="for example --maximize top1",
        )
    if maximize is not None:
        return Objective(*numeric_column(maximize, report, "--maximize"), "maximize")
    return Objective(*numeric_column(str(minimize), report, "--minimize"), "minimize")


def judge(row: Row, objective: Objective, wanted: Sequence[Limit]) -> Candidate:
    """Return the standing of one network."""
    goal = row.read(objective.column)
    found = [(limit, row.read(limit.column)) for limit in wanted]
    judged = [
        (limit.standing(one), Violation(limit.column, limit.metric, one, limit))
        for limit, one in found
    ]
    if not goal.is_ranked:
        missing = Violation(objective.column, objective.metric, goal)
        judged.append(("unknown", missing))
    standings = [standing for standing, _ in judged]
    # A broken limit decides, whatever else is missing.
    if "excluded" in standings:
        verdict: Standing = "excluded"
    else:
        verdict = min(standings, key=_WORST.index, default="fits")
    broken = tuple(one for standing, one in judged if standing in ("excluded", "unknown"))
    straddled = tuple(one for standing, one in judged if standing == "borderline")
    return Candidate(row, verdict, goal, broken, straddled)


def _point(c: Candidate, objective: Objective, wanted: Sequence[Limit]) -> tuple[float, ...] | None:
    """Return a network's coordinates, smaller is better; None where a number is missing."""
    found = [c.objective, *(c.row.read(limit.column) for limit in wanted)]
    known = [one.value for one in found if one.value is not None and one.is_ranked]
    if len(known) < len(found):
        return None
    goal, *values = known
    excesses = (limit.excess(value) for limit, value in zip(wanted, values, strict=True))
    return (objective.badness(goal), *excesses)


def _rank(c: Candidate, objective: Objective, wanted: Sequence[Limit]) -> tuple[float, ...]:
    """Return the sort key: the objective, then the room that is left under the limits."""
    point = _point(c, objective, wanted)
    if point is None:
        raise AssertionError("a candidate that fits has all its numbers")
    room = [
        excess / (abs(limit.value) or 1.0) for excess, limit in zip(point[1:], wanted, strict=True)
    ]
    return point[0], sum(room)


def _compared(
    best: Candidate, candidates: list[Candidate], objective: Objective
) -> list[Candidate]:
    """Return the candidates with their distance to the best, and whether they tie with it."""
    others = [c for c in candidates if c.verdict == "fits" and c is not best]
    found = ties.ties(
        best.objective,
        [c.objective for c in others],
        objective.metric,
        smaller_is_better=objective.sense == "minimize",
    )
    beside = {id(c): vars(one) for c, one in zip(others, found, strict=True)}
    return [
        replace(c, behind=_behind(best, c, objective), **beside.get(id(c), {})) for c in candidates
    ]


def _behind(best: Candidate, c: Candidate, objective: Objective) -> float | None:
    if c is best or c.objective.value is None or best.objective.value is None:
        return None
    return objective.badness(c.objective.value) - objective.badness(best.objective.value)


def _order(c: Candidate, objective: Objective) -> tuple[int, float, float]:
    value = c.objective.value
    return (
        len(_WORST) - _WORST.index(c.verdict),
        sum(violation.relative for violation in c.violated),
        objective.badness(value) if value is not None else 0.0,
    )
