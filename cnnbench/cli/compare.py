"""``cnnbench compare``: regressions and improvements between two runs."""

from __future__ import annotations

from pathlib import Path

import click

from cnnbench import safe_json
from cnnbench.cli import options


@click.command()
@click.argument("base", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    help="Only this metric, in all its settings; may be repeated.",
)
@options.threshold
@click.option(
    "--require",
    multiple=True,
    metavar="METRIC",
    help="Fail if this metric is missing or could not be verified; may be repeated.",
)
@click.option("--strict", is_flag=True, help="Fail if any number could not be verified.")
@options.accept("Compare latencies even if")
@click.option("--force", is_flag=True, help="Compare latencies even if the environments differ.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "md", "json"]),
    default="text",
    show_default=True,
    help="Text, Markdown for a pull request, or JSON.",
)
@click.option("--json", "as_json", is_flag=True, help="Same as --format json.")
def command(
    base: Path,
    new: Path,
    metrics: tuple[str, ...],
    threshold: options.Thresholds,
    require: tuple[str, ...],
    strict: bool,
    accept: tuple[str, ...],
    force: bool,
    form: str,
    as_json: bool,
) -> int:
    """Compare NEW with BASE: each is the folder of a run or a suite, or a report.csv file.

    Counts and sizes are compared exactly, latencies by a test over processes, accuracies by their
    intervals. The exit code is 1 if there is a regression, or with --strict or --require a number
    that could not be verified.
    """
    from cnnbench.cli import EXIT_FAILED, EXIT_FINE
    from cnnbench.results.tables import load
    from cnnbench.selection.compare import compare, pull_request
    from cnnbench.selection.compare import text as compare_text

    general, own = threshold
    found = compare(
        load(base),
        load(new),
        metrics=metrics,
        threshold=general,
        thresholds=own,
        require=require,
        accept=accept,
        force=force,
        strict=strict,
    )
    if as_json or form == "json":
        click.echo(safe_json.as_table(found.to_json()))
    elif form == "md":
        click.echo(pull_request.as_markdown(found), nl=False)
    else:
        click.echo(compare_text.as_text(found, options.width()), nl=False)
    for failure in found.failures:
        click.echo(failure, err=True)
    return EXIT_FINE if found.passes else EXIT_FAILED
