"""Text of ``cnnbench run --dry-run``: done jobs, jobs to do, and an estimate of their duration."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cnnbench.execution import estimate, runner
from cnnbench.execution.executor import Executor
from cnnbench.execution.scheduler import JobScheduler
from cnnbench.models import model_name
from cnnbench.plugins import PROBES
from cnnbench.record import FLOAT32
from cnnbench.results import journal
from cnnbench.suite.plan import Cell, Job, Plan
from cnnbench.text import natural, plural
from cnnbench.units import show_duration

_FEW = 20  # so many jobs are listed one by one
_MOST_ROWS = 16  # of a table; more settings are counted by probe
_TITLES = ("Done", "To do", "Time", "Models", "Repeats", "What")
_GAP = "  "
_FAILED = ("failed", "timeout", "oom")


def lines(
    plan: Plan,
    cells: Sequence[Cell],
    out: Path,
    executor: Executor,
    fresh: bool = False,
    repeats: int = 1,
    width: int = 80,
) -> Iterator[str]:
    """Yield the jobs one by one, or a summary of many, their number, and the estimated duration.

    Args:
        plan, cells, out, executor, fresh: as in `runner.run`.
        repeats: number of requested runs.
        width: of the lines of a summary, in characters.

    Raises:
        UserError: no run of that suite can be begun, or the executor cannot be reached.
    """
    folder = runner.open_run(plan, out, executor, fresh or repeats > 1)
    records = journal.read(folder.journal)[1] if folder else []
    scheduler = runner.todo(plan, cells, records, folder)
    left = list(scheduler.left())
    statuses = {record.key: record.status for record in records}
    measured = {record.key for record in records if record.status == "ok"}
    ok = [job for cell in cells for job in cell.jobs() if job.key in measured]
    here, others = estimate.earlier(out, executor.environment()["id"]) if left else ([], [])
    paces = [estimate.Pace(known) for known in (records, here, others)]
    limit = plan.suite.limits.cell
    if len(ok) + len(left) <= _FEW:
        yield from (f"done   {job.title()}" for job in ok)
        yield from (f"to do  {job.title()}" for job in left)
    else:
        yield from _summary(_parts(cells, ok, left), cells, paces, limit, width)
    of_each = f" in each of {repeats} runs" if repeats > 1 else ""
    yield f"{plural(scheduler.done(), 'job')} done, {len(left)} to do{of_each}"
    if again := sum(statuses.get(job.key) in _FAILED for job in left):
        yield f"{plural(again, 'job')} of these failed before: to be tried again"
    if left:
        duration = _duration(scheduler, limit, paces)
        yield from textwrap.wrap(
            f"for each of them {duration}" if repeats > 1 else duration, max(width, 40)
        )


@dataclass
class _Part:
    """The cells of one probe, or of one of its variants and settings; and their jobs."""

    cells: list[Cell] = field(default_factory=list)
    done: int = 0
    left: list[Job] = field(default_factory=list)


def _parts(
    cells: Sequence[Cell], done: Iterable[Job], left: Iterable[Job]
) -> dict[tuple[str, str], _Part]:
    """Return the parts by probe and by variant with setting; by probe alone if these are many."""

    settings = {cell.key: (cell.probe, _setting(cell)) for cell in cells}
    places, distinct = settings, set(settings.values())
    if len(distinct) > _MOST_ROWS:
        counts = Counter(probe for probe, _ in distinct)
        numbers = {probe: (probe, plural(counts[probe], "setting")) for probe in counts}
        places = {key: numbers[probe] for key, (probe, _) in settings.items()}
    order = list(PROBES)
    ranked = sorted(set(places.values()), key=lambda at: (order.index(at[0]), natural(at[1])))
    found = {at: _Part() for at in ranked}
    for cell in cells:
        found[places[cell.key]].cells.append(cell)
    for job in done:
        found[places[job.cell.key]].done += 1
    for job in left:
        found[places[job.cell.key]].left.append(job)
    return found


def _setting(cell: Cell) -> str:
    variant = "" if cell.variant == FLOAT32 else f"{cell.variant} "
    return variant + cell.setting.label()


def _summary(
    parts: dict[tuple[str, str], _Part],
    cells: Sequence[Cell],
    paces: Sequence[estimate.Pace],
    limit: float | None,
    width: int,
) -> Iterator[str]:
    """Yield a table of the parts, the settings that it only counts, and the models."""
    labels = {cell.model.label for cell in cells}
    yield f"{plural(len(labels), 'model')}, {plural(len(cells), 'cell')}:"
    yield from _table([_TITLES, *(_row(*one, paces, limit) for one in parts.items())], width)
    for probe in dict.fromkeys(cell.probe for cell in cells):
        settings = {_setting(cell) for cell in cells if cell.probe == probe}
        if (probe, next(iter(settings))) not in parts:
            yield from _listed(f"{probe}: ", settings, width)
    yield from _listed("models: ", model_name.by_architecture(labels), width)


def _row(
    place: tuple[str, str], part: _Part, paces: Sequence[estimate.Pace], limit: float | None
) -> tuple[str, ...]:
    found = estimate.outlook(part.left, paces, limit) if part.left else None
    seconds = found.seconds if found else None
    time = "" if found is None else "unknown" if seconds is None else show_duration(seconds)
    models = len({cell.model.label for cell in part.cells})
    return (
        str(part.done),
        str(len(part.left)),
        time,
        str(models),
        _repeats(part.cells),
        " ".join(place),
    )


def _repeats(cells: Sequence[Cell]) -> str:
    """Return how often a cell is measured: ``6-12 rounds``, ``3 seeds``, ``1``."""
    least = min(cell.rule.at_least if cell.rule.precision else cell.rule.at_most for cell in cells)
    most = max(cell.rule.at_most for cell in cells)
    noun = PROBES[cells[0].probe].repeat
    return (
        str(most) if most == 1 else f"{least}-{most} {noun}s" if least < most else f"{most} {noun}s"
    )


def _table(rows: Sequence[tuple[str, ...]], width: int) -> Iterator[str]:
    """Yield the rows, the last column wrapped to what is left of the width."""
    widths = [max(map(len, column)) for column in list(zip(*rows, strict=True))[:-1]]
    indent = sum(widths) + len(_GAP) * len(widths)
    for *numbers, what in rows:
        first, *more = textwrap.wrap(what, max(20, width - indent), break_long_words=False)
        yield _GAP.join([*map(str.rjust, numbers, widths), first])
        yield from (" " * indent + line for line in more)


def _listed(title: str, names: Iterable[str], width: int) -> list[str]:
    text = title + ", ".join(sorted(names, key=natural))
    return textwrap.wrap(
        text, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )


def _duration(
    scheduler: JobScheduler, cell_seconds: float | None, paces: Sequence[estimate.Pace]
) -> str:
    """Return how long the remaining jobs take, judged by records, those most alike first."""
    left = list(scheduler.left())
    least = estimate.outlook(left, paces, cell_seconds)
    most = estimate.outlook(scheduler.left(at_most=True), paces, cell_seconds)
    if least.seconds is None or most.seconds is None:
        return "no estimate: no comparable job has run here"
    if least.skipped == len(left):
        return "none of them takes time: their cells were skipped in their last run"
    words = f"about {show_duration(least.seconds)}, from the durations of earlier jobs"
    if (more := most.jobs - least.jobs) > 0:
        words += (
            f"; {show_duration(most.seconds)} if the precision needs {plural(more, 'more round')}"
        )
    if least.skipped:
        jobs = plural(least.skipped, "job")
        words += f"; not counting {jobs} of cells that were skipped in their last run"
    return words
