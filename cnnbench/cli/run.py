"""``cnnbench run``: do what is missing of a suite, then show the table."""

from __future__ import annotations

import shlex
import signal
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from cnnbench.cli import options

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cnnbench.cli.progress import Progress
    from cnnbench.execution.runner import RunResult
    from cnnbench.record import Record
    from cnnbench.suite.plan import Cell, Job, Plan

_OUT = Path("results")


@click.command()
@click.argument("suite", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=_OUT,
    show_default=True,
    help="Where runs are kept.",
)
@click.option("--only", multiple=True, metavar="MODEL", help="Only this model; may be repeated.")
@click.option("--probe", multiple=True, metavar="PROBE", help="Only this probe; may be repeated.")
@click.option("--dry-run", is_flag=True, help="List the jobs and how many are done; run nothing.")
@click.option("--fresh", is_flag=True, help="Measure again, in a new run.")
@click.option(
    "--repeat",
    type=click.IntRange(1, 10_000),
    default=1,
    metavar="N",
    help="Measure N times, each time in a new run.",
)
@click.option(
    "--wait",
    is_flag=True,
    help="Wait until no other run holds this suite or measures on this machine.",
)
@options.data_dir("keras/, tensorflow_datasets/ and weights/")
def command(
    suite: Path,
    out: Path,
    only: tuple[str, ...],
    probe: tuple[str, ...],
    dry_run: bool,
    fresh: bool,
    repeat: int,
    wait: bool,
    data_dir: Path | None,
) -> int:
    """Run SUITE (a YAML file): measure what is missing, write the tables, show the report.

    Running it again continues the newest run of the same plan on the same machine; what is done
    is never measured twice. Ctrl-C at any time: nothing recorded is lost.
    """
    from cnnbench.execution import runner
    from cnnbench.models import registry
    from cnnbench.report import files
    from cnnbench.suite import plan as planning
    from cnnbench.suite import suite as suites

    data_dir = data_dir.resolve() if data_dir else None
    plan = planning.plan(suites.load(suite, registry), data_dir)
    cells = plan.part(only, probe)
    for note in plan.notes(cells):
        click.echo(note, err=not dry_run)
    if dry_run:
        _list_jobs(plan, cells, out, fresh, repeat)
        return 0
    measure = partial(
        runner.run,
        plan,
        cells,
        out,
        fresh=fresh or repeat > 1,
        wait=wait,
        data_dir=data_dir,
        finish=files.write,
    )
    return _run(measure, cells, repeat, _to_go_on(suite, out, only, probe, data_dir))


def _run(
    measure: Callable[[Progress], RunResult], cells: Sequence[Cell], repeat: int, go_on: str
) -> int:
    from cnnbench.cli import EXIT_FAILED, EXIT_FINE, EXIT_INTERRUPTED
    from cnnbench.cli.progress import Progress
    from cnnbench.report import files

    signal.signal(signal.SIGTERM, _interrupt)
    has_failed = False
    for number in range(1, repeat + 1):
        progress = Progress()
        try:
            result = measure(progress)
        except KeyboardInterrupt:
            progress.close()
            click.echo("\ninterrupted; everything finished is kept. To go on:", err=True)
            click.echo(f"  {go_on}", err=True)
            return EXIT_INTERRUPTED
        finally:
            progress.close()
        has_failed |= _failed(cells, result.records)
        if number < repeat:
            click.echo(f"{number} of {repeat} runs done", err=True)
    click.echo(files.text(result.folder, width=options.width()), nl=False)
    _say_what_next(result.folder, nothing_new=not progress.had_work)
    return EXIT_FAILED if has_failed else EXIT_FINE


def _failed(cells: Sequence[Cell], records: Sequence[Record]) -> bool:
    """Whether a job of these cells has ended badly and not been mended since."""
    from cnnbench.probes.summary import unresolved_failures

    cell_of = {job.key: cell.key for cell in cells for job in cell.jobs()}
    of_cell: dict[str, list[Record]] = {}
    for record in records:
        if record.key in cell_of:
            of_cell.setdefault(cell_of[record.key], []).append(record)
    bad = (record for found in of_cell.values() for record in unresolved_failures(found))
    return any(record.status in ("failed", "timeout", "oom") for record in bad)


def _say_what_next(folder: Path, nothing_new: bool) -> None:
    if nothing_new:
        click.echo("Nothing was left to do; --fresh measures everything again.", err=True)
    click.echo(f"Kept in {folder}: report.html, report.md, report.csv, records.jsonl", err=True)
    again = shlex.join(["cnnbench", "report", str(folder)])
    click.echo(f"Show it again:  {again}", err=True)


def _to_go_on(
    suite: Path, out: Path, only: Sequence[str], probe: Sequence[str], data_dir: Path | None
) -> str:
    """The command that continues this run: the same, but for what would begin a new one."""
    words = ["cnnbench", "run", str(suite)]
    if out != _OUT:
        words += ["--out", str(out)]
    for model in only:
        words += ["--only", model]
    for name in probe:
        words += ["--probe", name]
    if data_dir is not None:
        words += ["--data-dir", str(data_dir)]
    return shlex.join(words)


def _list_jobs(plan: Plan, cells: Sequence[Cell], out: Path, fresh: bool, repeat: int) -> None:
    from cnnbench.execution import runner
    from cnnbench.results import journal

    folder = runner.open_run(plan, out, fresh or repeat > 1)
    records = journal.read(folder.journal)[1] if folder else []
    schedule = runner.todo(plan, cells, records, folder)
    left = list(schedule.left())
    ok = {record.key for record in records if record.status == "ok"}
    for cell in cells:
        for job in cell.jobs():
            if job.key in ok:
                click.echo(f"done   {job.title()}")
    for job in left:
        click.echo(f"to do  {job.title()}")
    of_each = f" in each of {repeat} runs" if repeat > 1 else ""
    click.echo(f"{schedule.done()} jobs done, {len(left)} to do{of_each}")
    if left:
        most = list(schedule.left(at_most=True))
        took = _how_long(left, most, plan.suite.limits.cell, records, out)
        click.echo(f"for each of them {took}" if repeat > 1 else took)


def _how_long(
    left: Sequence[Job],
    most: Sequence[Job],
    cell_seconds: float | None,
    records: Sequence[Record],
    out: Path,
) -> str:
    from cnnbench import environment
    from cnnbench.execution import estimate
    from cnnbench.units import show

    here = environment.environment_id(environment.fingerprint())
    paces = [estimate.Pace(r) for r in (records, *estimate.earlier(out, here))]
    rounds, further = (estimate.outlook(jobs, paces, cell_seconds) for jobs in (left, most))
    if rounds.seconds is None or further.seconds is None:
        return "how long that takes is not known yet: nothing like it was run here"
    if rounds.skipped == len(left):
        return f"all {rounds.skipped} belong to what was skipped when it was last tried"
    words = f"about {show(rounds.seconds, 's')}, from what earlier jobs took"
    if (more := further.jobs - rounds.jobs) > 0:
        words += f"; {show(further.seconds, 's')} if {more} more rounds are needed to be precise"
    if rounds.skipped:
        words += f"; {rounds.skipped} jobs of what was skipped before are not counted"
    return words


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
