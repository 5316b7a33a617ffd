"""``cnnbench compare``: what a change made better or worse."""

from __future__ import annotations

from pathlib import Path

import click

from cnnbench.cli import options
from cnnbench.core import plain_json


@click.command()
@click.argument("base", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@click.option("--metric", multiple=True, help="Only this metric, in all its settings; repeatable.")
@click.option(
    "--threshold",
    default="5%",
    show_default=True,
    help="The smallest difference of measured times and memory that counts.",
)
@click.option("--force", is_flag=True, help="Compare times although the environments differ.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "md", "json"]),
    default="text",
    show_default=True,
    help="For people, for a pull request's comment, or for programs.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
def command(
    base: Path,
    new: Path,
    metric: tuple[str, ...],
    threshold: str,
    force: bool,
    form: str,
    as_json: bool,
) -> int:
    """Compare NEW with BASE: runs, suites' folders or report.csv files, in any mixture.

    Counts and sizes compare exactly, times by a test over processes, accuracies by their
    intervals. Exit code 1 says that something got worse.
    """
    from cnnbench.cli import EXIT_FAILED, EXIT_FINE
    from cnnbench.report.compare import compare
    from cnnbench.report.compare import text as compare_text
    from cnnbench.store.tables import load

    found = compare(load(base), load(new), metrics=metric, threshold=threshold, force=force)
    if as_json or form == "json":
        click.echo(plain_json.as_table(found.to_json()))
    elif form == "md":
        click.echo(compare_text.as_markdown(found), nl=False)
    else:
        click.echo(compare_text.as_text(found, options.width()), nl=False)
    return EXIT_FAILED if found.regressions else EXIT_FINE
