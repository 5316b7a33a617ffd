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
@click.option(
    "--threshold",
    multiple=True,
    metavar="[METRIC=]5%",
    help="Smallest relevant difference of METRIC, or of all times and memory.  [default: 5%]",
)
@click.option(
    "--require",
    multiple=True,
    metavar="METRIC",
    help="Fail if this metric is missing or could not be verified; may be repeated.",
)
@click.option("--strict", is_flag=True, help="Fail if any number could not be verified.")
@click.option(
    "--accept",
    multiple=True,
    metavar="FACT",
    help="Compare latencies even if this fact of the environment differs, such as "
    "libraries.keras; may be repeated.",
)
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
    threshold: tuple[str, ...],
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
    from cnnbench.selection.choose.limits import read_option
    from cnnbench.selection.compare import compare
    from cnnbench.selection.compare import text as compare_text
    from cnnbench.statistics.estimates import MINIMUM_EFFECT

    general = [text for text in threshold if "=" not in text]
    found = compare(
        load(base),
        load(new),
        metrics=metrics,
        threshold=general[-1] if general else MINIMUM_EFFECT,
        thresholds=dict(read_option(text, "--threshold") for text in threshold if "=" in text),
        require=require,
        accept=accept,
        force=force,
        strict=strict,
    )
    if as_json or form == "json":
        click.echo(safe_json.as_table(found.to_json()))
    elif form == "md":
        click.echo(compare_text.as_markdown(found), nl=False)
    else:
        click.echo(compare_text.as_text(found, options.width()), nl=False)
    for failure in found.failures:
        click.echo(failure, err=True)
    return EXIT_FINE if found.passes else EXIT_FAILED
