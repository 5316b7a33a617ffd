"""A choice as text: the winner, its certainty, then the others and why they lost."""

from __future__ import annotations

from collections.abc import Iterator

from cnnbench.metrics import column, cut, split
from cnnbench.selection.choose.candidate import Candidate, Relaxation
from cnnbench.selection.choose.choice import Choice
from cnnbench.selection.choose.limits import difference
from cnnbench.text import html_table, printable
from cnnbench.units import Unit


def as_text(choice: Choice) -> str:
    """Return a choice as plain text; only the first line names every setting in full."""
    first, *rest = map(printable, lines(choice))
    text = "\n".join(rest)
    for whole, short in _cut(choice).items():
        text = text.replace(whole, short)
    return f"{first}\n{text}\n"


def as_html(choice: Choice) -> str:
    """Return a choice as a small table for a notebook, the winner first."""
    objective = choice.objective
    heads = (
        "Network",
        f"{objective.metric.title} {split(objective.column)[1]}".strip(),
        "Verdict",
        "",
    )
    rows = []
    for c in choice.candidates:
        standing = "winner" if c is choice.winner else c.verdict
        rows.append((c.name, _value(c, choice), standing, "; ".join(c.reasons)))
    return html_table(heads, rows, next(lines(choice)))


def _cut(choice: Choice) -> dict[str, str]:
    """Return column -> its name with the shortest unambiguous beginning of the setting."""
    used = _units(choice)
    labels = cut(split(name)[1] for name in used)
    return {name: column(base, labels[label]) for name in used for base, label in [split(name)]}


def _units(choice: Choice) -> dict[str, Unit]:
    """Return the units of the columns that decide, each once."""
    limited = {limit.column: limit.metric.unit for limit in choice.limits}
    return {choice.objective.column: choice.objective.metric.unit, **limited}


def lines(choice: Choice) -> Iterator[str]:
    """Yield the lines of a choice, every setting in full; the first is the verdict."""
    yield from _winner(choice) if choice.winner else _nothing(choice)
    if choice.runners_up:
        yield from ("", "Runners-up")
        for c in choice.runners_up:
            doubt = ", doubtful" if c.objective.is_doubtful else ""
            yield f"  {c.name}: {_value(c, choice)}, {_behind(c, choice)}{doubt}"
    units = _units(choice)
    if choice.front:
        yield from ("", f"Pareto front over {', '.join(units)}, regardless of limits")
        for c in choice.front:
            numbers = (c.row.read(name).show(unit) or "?" for name, unit in units.items())
            words = "" if c.verdict == "fits" else f"  ({c.verdict})"
            yield f"  {c.name}: {', '.join(dict.fromkeys(numbers))}{words}"
    yield from _section(choice, "borderline", "Borderline: an interval straddles a limit")
    yield from _section(choice, "excluded", "Excluded")
    yield from _section(choice, "unknown", "Unknown")
    if choice.warnings:
        yield from ("", "Warnings")
        yield from (f"  {warning}" for warning in choice.warnings)


def _winner(choice: Choice) -> Iterator[str]:
    winner = choice.winner
    if winner is None:
        return
    goal = choice.objective
    best = "highest" if goal.sense == "maximize" else "lowest"
    limits = "".join(f", {limit}" for limit in choice.limits)
    word = "Tie" if choice.ties else "Winner"
    yield f"{word}: {winner.name}, the {best} {goal.column}{limits}: {_value(winner, choice)}"
    for name in _units(choice):
        if doubt := winner.row.read(name).doubt:
            yield f"  doubtful: {name}: {doubt}"
    for c in choice.ties:
        yield (
            f"  statistically tied with {c.name} ({_value(c, choice)}; "
            f"{100 * (c.tie_probability or 0):.0f} % chance that {c.name} is better)"
        )
    if untested := [c.name for c in choice.runners_up if not c.is_tested]:
        yield (
            f"  not tested against {', '.join(untested)}: the table has neither samples nor "
            "intervals, so only the values were compared"
        )
    if undecided := [f"{c.name} ({c.verdict})" for c in choice.undecided]:
        yield f"  not ruled out: {', '.join(undecided)}, which may be better"


def _nothing(choice: Choice) -> Iterator[str]:
    best = choice.nearest
    unknown = any(c.verdict == "unknown" for c in choice.candidates)
    if best is None:
        yield "Nothing is known to fit: no network has all the deciding numbers."
    elif best.verdict == "borderline":
        names = [c.name for c in choice.candidates if c.verdict == "borderline"]
        yield f"Nothing fits with certainty; borderline: {', '.join(names)}."
    else:
        misses = [
            f"{v.column} by {difference(v.excess, v.metric.unit)}"
            if v.excess is not None
            else v.column
            for v in best.violated
        ]
        # An unknown one may fit.
        head = "Nothing is known to fit" if unknown else "Nothing fits"
        yield f"{head}; the nearest is {best.name}, which misses {_joined(misses)}."
    for relaxation in choice.relaxations:
        yield f"  relaxing {_wider(relaxation)} would let {relaxation.candidate.name} qualify"


def _section(choice: Choice, verdict: str, head: str) -> Iterator[str]:
    members = [c for c in choice.candidates if c.verdict == verdict]
    if members:
        yield from ("", head)
    for c in members:
        yield f"  {c.name}: {'; '.join(c.reasons)}"


def _value(c: Candidate, choice: Choice) -> str:
    return c.objective.show(choice.objective.metric.unit) or "?"


def _behind(c: Candidate, choice: Choice) -> str:
    if not c.behind:
        return "level"
    words = f"{difference(c.behind, choice.objective.metric.unit)} behind"
    return words + (", statistically tied" if c.tie_probability is not None else "")


def _wider(relaxation: Relaxation) -> str:
    return _joined(
        [
            f"{limit.column} from {limit.show(limit.value)} to {limit.show(value)}"
            for limit, value in relaxation.limits
        ]
    )


def _joined(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
