"""``cnnbench choose``: the best model within the limits."""

from __future__ import annotations

from pathlib import Path

import click

from cnnbench import safe_json


@click.command()
@click.argument("tables", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--max", "at_most", multiple=True, metavar="METRIC=VALUE", help="Upper limit; may be repeated."
)
@click.option(
    "--min", "at_least", multiple=True, metavar="METRIC=VALUE", help="Lower limit; may be repeated."
)
@click.option("--maximize", metavar="METRIC", help="Choose the highest value of this metric.")
@click.option("--minimize", metavar="METRIC", help="Choose the lowest value of this metric.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    tables: tuple[Path, ...],
    at_most: tuple[str, ...],
    at_least: tuple[str, ...],
    maximize: str | None,
    minimize: str | None,
    as_json: bool,
) -> int:
    """Choose a model from TABLES: folders of runs, folders of suites, or report.csv files.

    Limits are written with their unit: --max latency_p90@cpu/litert/b1=20ms --max file=10MB
    --min top1=90% --maximize top1. Without any of these options, the question of the run's own
    suite is answered. The exit code is 1 if no model is within the limits.
    """
    from cnnbench.cli import EXIT_FAILED, EXIT_FINE
    from cnnbench.results.tables import load
    from cnnbench.selection.answer import answer
    from cnnbench.selection.choose import choose
    from cnnbench.selection.choose import text as choose_text
    from cnnbench.selection.choose.limits import read_option

    runs = [load(table) for table in tables]
    own = None
    if len(runs) == 1 and not any((at_most, at_least, maximize, minimize)):
        own = answer(runs[0])
    if own is not None:
        choice, text = own.choice, own.as_text()
    else:
        choice = choose(
            runs,
            at_most=[read_option(text, "--max") for text in at_most],
            at_least=[read_option(text, "--min") for text in at_least],
            maximize=maximize,
            minimize=minimize,
        )
        text = choose_text.as_text(choice)
    if as_json:
        click.echo(safe_json.as_table(choice.to_json()))
    else:
        click.echo(text, nl=False)
    return EXIT_FINE if choice.winner else EXIT_FAILED
