"""``cnnbench history``: a metric over many runs, and the runs at which its level changed."""

from __future__ import annotations

from pathlib import Path

import click

from cnnbench import safe_json
from cnnbench.cli import options


@click.command()
@click.argument("results", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    required=True,
    help="This metric, in all its settings; may be repeated.",
)
@click.option("--model", "models", multiple=True, help="Only this model; may be repeated.")
@options.threshold
@options.accept("Keep times in one series although")
@click.option("--out", metavar="FILE", help="Write a plot: FILE ends in .svg, .png or .html.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    results: tuple[Path, ...],
    metrics: tuple[str, ...],
    models: tuple[str, ...],
    threshold: options.Thresholds,
    accept: tuple[str, ...],
    out: str | None,
    as_json: bool,
) -> None:
    """Show a metric over all runs in RESULTS, and the runs at which its level changed.

    RESULTS are folders: of a run, of a suite (results/NAME) or of several suites (results). Times
    measured in different environments are separate series.
    """
    from cnnbench.selection.history import history

    kind = Path(out).suffix.lower() if out else ""
    if out and kind not in (".svg", ".png", ".html"):
        raise click.UsageError(f"--out {out}: the name must end in .svg, .png or .html")
    general, own = threshold
    found = history(
        results, metrics=metrics, models=models, threshold=general, thresholds=own, accept=accept
    )
    if out:
        from cnnbench import plots
        from cnnbench.report.html import history_page

        title = f"{', '.join(metrics)} over {', '.join(map(str, results))}"
        if kind == ".html":
            options.write(history_page(found, title), out)
        else:
            chart = plots.over_runs(found)
            options.write(plots.svg(chart) if kind == ".svg" else plots.png(chart), out)
        click.echo(f"Written: {out}", err=True)
    if as_json:
        click.echo(safe_json.as_table(found.to_json()))
    else:
        from cnnbench.selection.history.text import as_text

        click.echo(as_text(found, options.width()), nl=False)
