"""A choice as text: the winner, its certainty, then the others and why they lost."""

from __future__ import annotations

from collections.abc import Iterator

from cnnbench.errors import brief
from cnnbench.metrics import Metric, column, cut, split
from cnnbench.selection.choose.candidate import Candidate
from cnnbench.selection.choose.choice import Choice
from cnnbench.selection.choose.limits import Violation
from cnnbench.selection.choose.relaxing import Relaxation
from cnnbench.statistics.measurement import Measurement
from cnnbench.text import html_table, printable
from cnnbench.units import show

_MOST_OF_A_REASON = 160  # characters; the report has all of it


def as_text(choice: Choice) -> str:
    """Return a choice as plain text; only the first line names every setting in full."""
    first, *rest = map(printable, _lines(choice))
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
        words = [_violation(v) for v in c.violated] + [_straddled(v) for v in c.straddled]
        standing = "winner" if c is choice.winner else c.verdict
        rows.append((c.name, _value(c, choice), standing, "; ".join(words)))
    return html_table(heads, rows, next(_lines(choice)))


def _cut(choice: Choice) -> dict[str, str]:
    """Return column -> its name with the shortest unambiguous beginning of the setting."""
    used = _used(choice)
    labels = cut(split(name)[1] for name in used)
    return {name: column(base, labels[label]) for name in used for base, label in [split(name)]}


def _used(choice: Choice) -> list[str]:
    """Return the columns that decide, each once."""
    return list(
        dict.fromkeys([choice.objective.column, *(limit.column for limit in choice.limits)])
    )


def _lines(choice: Choice) -> Iterator[str]:
    yield from _winner(choice) if choice.winner else _nothing(choice)
    if choice.runners_up:
        yield from ("", "Runners-up")
        for c in choice.runners_up:
            doubt = ", doubtful" if c.objective.is_doubtful else ""
            yield f"  {c.name}: {_value(c, choice)}, {_behind(c, choice)}{doubt}"
    metrics = _used(choice)
    if choice.front:
        yield from ("", f"Pareto front over {', '.join(metrics)}, regardless of limits")
        for c in choice.front:
            numbers = (_with_interval(c.row.read(name), _metric(name, choice)) for name in metrics)
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
    for name in _used(choice):
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
            f"{v.column} by {_difference(v.excess, v.metric)}" if v.excess is not None else v.column
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
        words = [_violation(v) for v in c.violated] + [_straddled(v) for v in c.straddled]
        yield f"  {c.name}: {'; '.join(words)}"


def _violation(v: Violation) -> str:
    if v.excess is None or v.limit is None or v.value is None:
        return f"{v.column}: {brief(v.reason, _MOST_OF_A_REASON)}"
    value, limit = show(v.value, v.metric.unit), show(v.limit, v.metric.unit)
    if v.limit and v.relative > 1:
        return f"{v.column} is {value}, {show(1 + v.relative, 'count')} times the limit of {limit}"
    side = "over" if v.value > v.limit else "under"
    share = f" ({100 * v.relative:.0f} %)" if v.limit and v.metric.unit != "fraction" else ""
    return f"{v.column} is {value}, {_difference(v.excess, v.metric)}{share} {side} {limit}"


def _straddled(v: Violation) -> str:
    low, high = (show(end, v.metric.unit) for end in (v.low, v.high))
    limit = show(v.limit, v.metric.unit)
    return f"{v.column} is {show(v.value, v.metric.unit)} ({low} to {high}), the limit is {limit}"


def _value(c: Candidate, choice: Choice) -> str:
    return _with_interval(c.objective, choice.objective.metric)


def _behind(c: Candidate, choice: Choice) -> str:
    if not c.behind:
        return "level"
    words = f"{_difference(c.behind, choice.objective.metric)} behind"
    return words + (", statistically tied" if c.tie_probability is not None else "")


def _difference(value: float, metric: Metric) -> str:
    """Return a distance in words; of fractions in percentage points."""
    if metric.unit == "fraction":
        return f"{100 * value:.1f} points"
    return show(value, metric.unit)


def _with_interval(found: Measurement, metric: Metric) -> str:
    text = show(found.value, metric.unit) or "?"
    if found.low is None or found.high is None:
        return text
    return f"{text} ({show(found.low, metric.unit)} to {show(found.high, metric.unit)})"


def _metric(column: str, choice: Choice) -> Metric:
    known = {limit.column: limit.metric for limit in choice.limits}
    return known.get(column, choice.objective.metric)


def _wider(relaxation: Relaxation) -> str:
    return _joined(
        [
            f"{limit.column} from {limit.show(limit.value)} to {limit.show(value)}"
            for limit, value in relaxation.limits
        ]
    )


def _joined(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
