"""History as text for a terminal: a table per series, then the changes and the environments."""

from __future__ import annotations

import io
from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cnnbench.selection.history.over_runs import History
from cnnbench.selection.history.series import Change, Point, Series
from cnnbench.statistics.change_points import FEWEST_RUNS
from cnnbench.text import plural, printable
from cnnbench.units import show

_MOST_TABLES = 6
_CORRECTED = "Drift-corrected"
_LEGEND = (
    f"{_CORRECTED}: the ratio to the reference timed with each process, at the median reference of "
    "all runs; changes are tested on it."
)


def as_text(history: History, width: int = 160) -> str:
    """Return a table per series; of more than six series those without a change are one line."""
    stream = io.StringIO()
    console = Console(file=stream, width=width, highlight=False, no_color=True)

    def write(line: str) -> None:
        console.print(printable(line), markup=False, soft_wrap=True)

    quiet = [one for one in history.series if not _is_eventful(one)]
    folded = quiet if len(history.series) > _MOST_TABLES else []
    tables = [one for one in history.series if one not in folded]
    for one in tables:
        write(title(one, history))
        console.print(_table(one))
        for line in one.absent:
            write(f"  no value in {line}")
        write("")
    if folded:
        write(f"No change in {plural(len(folded), 'series', 'series')}:")
        for one in folded:
            write(f"  {title(one, history)}: {_summary(one)}")
        write("")
    if any(_is_corrected(one) for one in tables):
        write(_LEGEND)
    for line in _conclusions(history):
        write(line)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def title(series: Series, history: History) -> str:
    """Return the metric and the network, and the environment if there are several."""
    if len(history.environments) == 1 or len(series.environments) != 1:
        return series.title
    return f"{series.title} (environment {series.environments[0]})"


def describe(change: Change, series: Series) -> str:
    """Return a change in words: ``worse: +10.3 % (+8.9 % to +11.7 %), p = 0.001``."""
    if change.ratio is None:
        sign = "+" if change.difference > 0 else "-"
        words = sign + show(abs(change.difference), series.definition.unit)
    else:
        words = _percent(change.ratio)
        if change.ratio_ci is not None:
            low, high = map(_percent, change.ratio_ci)
            words += f" ({low} to {high})"
    parts = [f"{change.verdict}: {words}"]
    if change.p_adjusted is not None:
        parts.append(f"p = {change.p_adjusted:.2g}")
    if change.is_gradual:
        parts.append("gradual")
    if not change.is_confirmed:
        parts.append("one run only: run again to confirm")
    return ", ".join(parts)


def _percent(ratio: float) -> str:
    return f"{100 * (ratio - 1):+.1f} %"


def _is_eventful(series: Series) -> bool:
    return bool(series.changes or series.absent or any(p.stands_out for p in series.points))


def _is_corrected(series: Series) -> bool:
    return any(point.corrected is not None for point in series.points)


def _table(series: Series) -> Table:
    table = Table(box=None, pad_edge=False)
    corrected = [_CORRECTED] if _is_corrected(series) else []
    for head in ("Date (UTC)", "Run", "Value", *corrected, "Change"):
        is_number = head in ("Value", _CORRECTED)
        table.add_column(head, justify="right" if is_number else "left", overflow="fold")
    changes = {change.run: change for change in series.changes}
    for point in series.points:
        cells = [f"{point.date:%Y-%m-%d %H:%M}", point.run, *_numbers(point, series)]
        note = describe(changes[point.run], series) if point.run in changes else ""
        if point.stands_out:
            note = "stands out from the runs before and after"
        table.add_row(*(escape(printable(text)) for text in [*cells, note]))
    return table


def _numbers(point: Point, series: Series) -> Iterator[str]:
    """Yield value and interval; with drift correction the plain value, then those."""
    unit = series.definition.unit
    doubt = " ?" if point.found.is_doubtful else ""
    if point.corrected is None:
        yield point.found.show(unit) + doubt
        return
    yield show(point.found.value, unit) + doubt
    value, low, high = (show(end, unit) for end in (point.corrected, point.low, point.high))
    yield f"{value} ({low} to {high})"


def _summary(series: Series) -> str:
    if not series.points:
        return "no value"
    values = show(series.points[-1].value, series.definition.unit)
    return f"{plural(len(series.points), 'run')}, last {values}"


def _conclusions(history: History) -> Iterator[str]:
    for one in history.series:
        for change in one.changes:
            yield f"{title(one, history)}: {change.run}: {describe(change, one)}"
    count = len(history.changes)
    number = plural(len(history.series), "series", "series")
    yield f"{plural(count, 'change')} in {number}" if count else f"No change in {number}"
    short = sum(len(one.points) < FEWEST_RUNS for one in history.series if not one.is_exact)
    if short:
        yield f"{short} of them have fewer than {FEWEST_RUNS} runs, too few to test"
    if len(history.environments) > 1:
        yield (
            f"{len(history.environments)} environments; times of each are series of their own "
            "(--accept FACT joins those that differ in FACT only)"
        )
        for found in history.environments:
            facts = ": " + ", ".join(found.differences) if found.differences else ""
            yield f"  {', '.join(found.ids)}: {plural(found.runs, 'run')}{facts}"
