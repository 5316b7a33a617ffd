"""``cnnbench choose``: which network keeps the limits and is best."""

from __future__ import annotations

from pathlib import Path

import click

from cnnbench import safe_json


@click.command()
@click.argument("tables", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--max", "at_most", multiple=True, metavar="METRIC=VALUE", help="At most this.")
@click.option("--min", "at_least", multiple=True, metavar="METRIC=VALUE", help="At least this.")
@click.option("--maximize", metavar="METRIC", help="The metric that decides: the highest wins.")
@click.option("--minimize", metavar="METRIC", help="The metric that decides: the lowest wins.")
@click.option("--json", "as_json", is_flag=True, help="The answer as JSON.")
def command(
    tables: tuple[Path, ...],
    at_most: tuple[str, ...],
    at_least: tuple[str, ...],
    maximize: str | None,
    minimize: str | None,
    as_json: bool,
) -> int:
    """Choose a network from TABLES: runs, suites' folders or report.csv files.

    Limits are written with their unit: --max latency_p90@cpu/litert/b1=20ms --max file=10MB
    --min top1=90% --maximize top1. Exit code 1 says that nothing fits.
    """
    from cnnbench.cli import EXIT_FAILED, EXIT_FINE
    from cnnbench.results.tables import load
    from cnnbench.selection.choose import choose
    from cnnbench.selection.choose import text as choose_text
    from cnnbench.selection.choose.limits import read_option

    choice = choose(
        [load(table) for table in tables],
        at_most=[read_option(text, "--max") for text in at_most],
        at_least=[read_option(text, "--min") for text in at_least],
        maximize=maximize,
        minimize=minimize,
    )
    if as_json:
        click.echo(safe_json.as_table(choice.to_json()))
    else:
        click.echo(choose_text.as_text(choice), nl=False)
    return EXIT_FINE if choice.winner else EXIT_FAILED
