"""Opening of a report whose suite states a question: the answer, and what was left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cnnbench.report.sections.section import Block, Section
from cnnbench.results.tables import Run
from cnnbench.row import Row
from cnnbench.selection.answer import Answer, answer, short_names
from cnnbench.selection.choose.candidate import Candidate

NAME = "answer"


def section(run: Run) -> Section | None:
    """Return the opening of a run's report; None if its suite states no question."""
    found = answer(run)
    return None if found is None else of_answer(found)


def of_answer(found: Answer) -> Section:
    """Return the opening with an answer that is known."""
    notes = [*found.qualifications, *(f"left out: {line}" for line in found.left_out)]
    if found.saved:
        notes.append(f"in all {found.saved} were not run; cnnbench run --everything runs them too")
    return Section(
        name=NAME,
        short="Answer",
        title="Answer",
        introduction=found.sentence,
        blocks=(_block(found),),
        notes_title="Doubts, and what was left out",
        notes=tuple(notes),
    )


def _block(found: Answer) -> Block:
    """Return a table of all networks: the deciding numbers, and where each network stands."""
    shown = short_names(found.question)
    units = {found.choice.objective.column: found.choice.objective.metric.unit}
    units |= {limit.column: limit.metric.unit for limit in found.choice.limits}
    omitted = [one.row for one in found.omissions]
    rows = [
        (
            candidate.name,
            *(candidate.row.read(name).show(units[name]) for name in found.question.columns),
            ", ".join(_standing(candidate, found, omitted)),
        )
        for candidate in found.choice.candidates
    ]
    heads = ("Network", *(shown[name] for name in found.question.columns), "Standing")
    return Block("Networks, the best first", heads, tuple(rows))


def _standing(candidate: Candidate, found: Answer, omitted: Sequence[Row]) -> Iterator[str]:
    if candidate is found.choice.winner:
        yield "winner"
    elif candidate.tie_probability is not None:
        yield "tied with the winner"
    elif candidate.verdict == "fits":
        yield "behind"
    else:
        yield candidate.verdict
    if candidate.on_front:
        yield "on the Pareto front"
    if any(candidate.row is row for row in omitted):
        yield "left out"
