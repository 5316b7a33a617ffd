"""``cnnbench merge``: the records and example pictures of several runs in one new run."""

from __future__ import annotations

from pathlib import Path

import click

from cnnbench.text import plural


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FOLDER",
    help="The new run's folder; missing or empty.",
)
def command(runs: tuple[Path, ...], out: Path) -> None:
    """Merge runs into a new one, with their example pictures and without weights and logs.

    Each RUN is the folder of a run, or of a suite (its newest run). A result that several have is
    taken once; two different results of one job in one environment are a mistake. Several attempts
    of a job, or environments, are kept as they are.
    """
    from cnnbench.report import files
    from cnnbench.results.merged_runs import merge_runs

    merged = merge_runs(runs, out)
    files.write(merged.path)
    words = f"{plural(merged.records, 'record')}, {plural(merged.pictures, 'example picture')}"
    click.echo(f"{out}: {words}")
    for note in merged.notes:
        click.echo(f"cnnbench: {note}", err=True)
