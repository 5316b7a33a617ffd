"""``cnnbench run``: run the jobs of a suite that are not done, then show the report."""

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

    from cnnbench.execution.progress import Progress
    from cnnbench.execution.runner import RunResult
    from cnnbench.suite.plan import Cell

_OUT = Path("results")
_LOCAL = "local"


@click.command()
@click.argument("suite", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=_OUT,
    show_default=True,
    help="Folder for runs.",
)
@click.option("--only", multiple=True, metavar="MODEL", help="Only this model; may be repeated.")
@click.option("--probe", multiple=True, metavar="PROBE", help="Only this probe; may be repeated.")
@click.option("--dry-run", is_flag=True, help="List the jobs and how many are done; run nothing.")
@click.option(
    "--on",
    default=_LOCAL,
    show_default=True,
    metavar="EXECUTOR",
    help="Where jobs run: an executor, or EXECUTOR://ADDRESS.",
)
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
    help="Wait until no other process runs this suite or measures on this machine.",
)
@options.data_dir("keras/, tensorflow_datasets/ and weights/")
def command(
    suite: Path,
    out: Path,
    only: tuple[str, ...],
    probe: tuple[str, ...],
    dry_run: bool,
    on: str,
    fresh: bool,
    repeat: int,
    wait: bool,
    data_dir: Path | None,
) -> int:
    """Run SUITE (a YAML file): measure what is missing, write the tables and show the report.

    Rerun the command to resume: it continues the newest run of the same plan on the same machine,
    and measures nothing twice. Ctrl-C keeps everything that is recorded.
    """
    from cnnbench.api.run import measure, planned
    from cnnbench.execution import executor as executors

    executor = executors.find(on, "--on")
    plan = planned(suite, data_dir)
    cells = plan.part(only, probe)
    for note in plan.notes(cells):
        click.echo(note, err=not dry_run)
    if dry_run:
        from cnnbench.execution import dry_run as preview

        for line in preview.lines(plan, cells, out, executor, fresh, repeat):
            click.echo(line)
        return 0
    measure_again = partial(
        measure,
        plan,
        cells,
        out,
        executor=executor,
        fresh=fresh or repeat > 1,
        wait=wait,
        data_dir=data_dir,
    )
    return _run(
        measure_again, cells, repeat, _resume_command(suite, out, only, probe, data_dir, on)
    )


def _run(
    measure: Callable[[Progress], RunResult], cells: Sequence[Cell], repeat: int, resume: str
) -> int:
    from cnnbench.cli import EXIT_FAILED, EXIT_FINE, EXIT_INTERRUPTED
    from cnnbench.execution import runner
    from cnnbench.execution.progress import Progress
    from cnnbench.report import files

    signal.signal(signal.SIGTERM, _interrupt)
    has_failed = False
    for number in range(1, repeat + 1):
        progress = Progress()
        try:
            result = measure(progress)
        except KeyboardInterrupt:
            progress.close()
            click.echo("\ninterrupted; everything finished is kept. To resume:", err=True)
            click.echo(f"  {resume}", err=True)
            return EXIT_INTERRUPTED
        finally:
            progress.close()
        has_failed |= runner.has_failures(cells, result.records)
        if number < repeat:
            click.echo(f"{number} of {repeat} runs done", err=True)
    click.echo(files.text(result.folder, width=options.width()), nl=False)
    _print_next_steps(result.folder, nothing_new=not progress.had_work)
    return EXIT_FAILED if has_failed else EXIT_FINE


def _print_next_steps(folder: Path, nothing_new: bool) -> None:
    if nothing_new:
        click.echo("Nothing was left to do; --fresh measures everything again.", err=True)
    click.echo(f"Results in {folder}: report.html, report.md, report.csv, records.jsonl", err=True)
    again = shlex.join(["cnnbench", "report", str(folder)])
    click.echo(f"Show it again:  {again}", err=True)


def _resume_command(
    suite: Path,
    out: Path,
    only: Sequence[str],
    probe: Sequence[str],
    data_dir: Path | None,
    on: str = _LOCAL,
) -> str:
    """Return the command that resumes this run: the same, without options that begin a new one."""
    words = ["cnnbench", "run", str(suite)]
    if out != _OUT:
        words += ["--out", str(out)]
    for model in only:
        words += ["--only", model]
    for name in probe:
        words += ["--probe", name]
    if data_dir is not None:
        words += ["--data-dir", str(data_dir)]
    if on != _LOCAL:
        words += ["--on", on]
    return shlex.join(words)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
