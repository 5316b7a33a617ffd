"""Text of ``cnnbench run --dry-run``: done jobs, jobs to do, and an estimate of their duration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from cnnbench.execution import estimate, runner
from cnnbench.execution.executor import Executor
from cnnbench.execution.scheduler import JobScheduler
from cnnbench.record import Record
from cnnbench.results import journal
from cnnbench.suite.plan import Cell, Plan
from cnnbench.text import plural
from cnnbench.units import show_duration


def lines(
    plan: Plan,
    cells: Sequence[Cell],
    out: Path,
    executor: Executor,
    fresh: bool = False,
    repeats: int = 1,
) -> Iterator[str]:
    """Yield a line per job, the count of jobs, and the estimated duration.

    Args:
        plan, cells, out, executor, fresh: as in `runner.run`.
        repeats: number of requested runs.

    Raises:
        UserError: no run of that suite can be begun, or the executor cannot be reached.
    """
    folder = runner.open_run(plan, out, executor, fresh or repeats > 1)
    records = journal.read(folder.journal)[1] if folder else []
    scheduler = runner.todo(plan, cells, records, folder)
    left = list(scheduler.left())
    ok = {record.key for record in records if record.status == "ok"}
    for cell in cells:
        yield from (f"done   {job.title()}" for job in cell.jobs() if job.key in ok)
    for job in left:
        yield f"to do  {job.title()}"
    of_each = f" in each of {repeats} runs" if repeats > 1 else ""
    yield f"{plural(scheduler.done(), 'job')} done, {len(left)} to do{of_each}"
    if left:
        here, others = estimate.earlier(out, executor.environment()["id"])
        duration = _duration(scheduler, plan.suite.limits.cell, (records, here, others))
        yield f"for each of them {duration}" if repeats > 1 else duration


def _duration(
    scheduler: JobScheduler, cell_seconds: float | None, known: Sequence[Sequence[Record]]
) -> str:
    """Return how long the remaining jobs take, judged by records, those most alike first."""
    paces = [estimate.Pace(records) for records in known]
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
