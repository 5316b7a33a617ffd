"""``cnnbench report``: show a run again, or write it elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "md", "csv"]),
    default="text",
    show_default=True,
    help="For people, for a README, or for a spreadsheet.",
)
@click.option("--metric", multiple=True, help="Only this column; may be repeated.")
def command(run: Path, form: str, metric: tuple[str, ...]) -> None:
    """Show the table of RUN: a run's folder, a suite's folder (its newest run) or a report.csv."""
    from cnnbench.report import files

    text = files.text(
        run,
        form,  # type: ignore[arg-type]
        metrics=metric,
        terminal_width=sys.stdout.isatty(),
    )
    click.echo(text, nl=False)
