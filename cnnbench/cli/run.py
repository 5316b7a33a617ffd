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
from cnnbench.text import plural

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
@click.option(
    "--shard",
    metavar="K/N",
    help="Only the K-th of N parts; `cnnbench merge` unites the runs of all parts.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Show what is done, what is to do and how long it takes; run nothing.",
)
@click.option(
    "--on",
    default=_LOCAL,
    show_default=True,
    metavar="EXECUTOR",
    help="Where jobs run: an executor, or EXECUTOR://ADDRESS.",
)
@click.option(
    "--everything",
    is_flag=True,
    help="Measure what the answer to the suite's question does not need, too.",
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
    shard: str | None,
    dry_run: bool,
    on: str,
    everything: bool,
    fresh: bool,
    repeat: int,
    wait: bool,
    data_dir: Path | None,
) -> int:
    """Run SUITE (a YAML file): measure what is missing, write the tables and show the report.

    Rerun the command to resume: it continues the newest run of the same plan on the same machine,
    and measures nothing twice. Ctrl-C keeps everything that is recorded.

    A suite with a question is searched for its answer: networks that can no longer win are left
    out. The exit code is 1 if no network keeps the limits.
    """
    from cnnbench.api.run import measure, planned
    from cnnbench.execution import executor as executors
    from cnnbench.suite.shards import Shard

    executor = executors.find(on, "--on")
    part = Shard.read(shard) if shard is not None else None
    plan = planned(suite, data_dir)
    cells = plan.part(only, probe)
    if part is not None:
        wanted, cells = len(cells), part.part(cells)
        click.echo(f"shard {part}: {len(cells)} of {plural(wanted, 'cell')}", err=not dry_run)
    for note in plan.notes(cells):
        click.echo(note, err=not dry_run)
    if dry_run:
        from cnnbench.execution import dry_run as preview

        if plan.question and everything:
            plan = plan.without_question()
        elif plan.question:
            from cnnbench.suite import question as questions

            click.echo(f"a search for the {questions.in_words(plan.question)}")
            click.echo("networks that can no longer win will be left out; the most that can run:")
        for line in preview.lines(plan, cells, out, executor, fresh, repeat, options.width()):
            click.echo(line)
        return 0
    measure_again = partial(
        measure,
        plan,
        cells,
        out,
        executor=executor,
        fresh=fresh or repeat > 1,
        everything=everything,
        wait=wait,
        data_dir=data_dir,
    )
    return _run(
        measure_again,
        cells,
        repeat,
        _resume_command(suite, out, only, probe, data_dir, on, everything, shard),
        is_whole=len(cells) == len(plan.cells),
    )


def _run(
    measure: Callable[[Progress], RunResult],
    cells: Sequence[Cell],
    repeat: int,
    resume: str,
    is_whole: bool,
) -> int:
    from cnnbench.cli import EXIT_FAILED, EXIT_FINE, EXIT_INTERRUPTED
    from cnnbench.execution import runner
    from cnnbench.execution.progress import Progress
    from cnnbench.report import files
    from cnnbench.results import tables
    from cnnbench.selection.answer import answer

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
    found = answer(tables.load(result.folder))
    if found is not None:
        click.echo(f"\n{found.as_text()}", nl=False)
        has_failed |= is_whole and found.choice.winner is None  # a part cannot answer
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
    everything: bool = False,
    shard: str | None = None,
) -> str:
    """Return the command that resumes this run: the same, without options that begin a new one."""
    words = ["cnnbench", "run", str(suite)]
    if out != _OUT:
        words += ["--out", str(out)]
    for model in only:
        words += ["--only", model]
    for name in probe:
        words += ["--probe", name]
    if shard is not None:
        words += ["--shard", shard]
    if data_dir is not None:
        words += ["--data-dir", str(data_dir)]
    if on != _LOCAL:
        words += ["--on", on]
    if everything:
        words.append("--everything")
    return shlex.join(words)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
