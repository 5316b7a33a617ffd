"""``cnnbench report``: show the table of a run, or write it as a file."""

from __future__ import annotations

from pathlib import Path

import click

from cnnbench.cli import options


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    metavar="[text|md|csv|json]",
    help="For people (text, the default), a README, a spreadsheet or a program.",
)
@click.option("--html", metavar="FILE", help="Write an HTML page with charts; - for stdout.")
@click.option(
    "--svg", metavar="FILE", help="Write the chart of the trade-off as SVG; - for stdout."
)
@click.option("--png", metavar="FILE", help="Write the same chart as PNG.")
@click.option(
    "--x", metavar="METRIC", default="", help="Horizontal axis of the chart.  [default: a latency]"
)
@click.option(
    "--y", metavar="METRIC", default="", help="Vertical axis of the chart.  [default: an accuracy]"
)
@click.option(
    "--metric", multiple=True, metavar="METRIC", help="Only this column; may be repeated."
)
@click.option(
    "--section",
    type=click.Choice(
        [
            "answer",
            "detectors",
            "segmentation",
            "rankings",
            "call_paths",
            "sliding",
            "stages",
            "load",
            "tracking",
            "published",
        ]
    ),
    help="Show only this section.",
)
def command(
    run: Path,
    form: str | None,
    html: str | None,
    svg: str | None,
    png: str | None,
    x: str,
    y: str,
    metric: tuple[str, ...],
    section: str | None,
) -> None:
    """Show the table of RUN: the folder of a run or of a suite (its newest run), or a report.csv.

    With --html, --svg or --png, that file is written, and the table is shown only if --format or
    --section is given.
    """
    from cnnbench import plots
    from cnnbench.report import files
    from cnnbench.report.html import page
    from cnnbench.results.tables import load

    if (x or y) and svg is None and png is None:
        raise click.UsageError("--x and --y are the axes of --svg FILE or --png FILE")
    if section is not None and (metric or form not in (None, "text", "md")):
        raise click.UsageError("--section is text or md, and has no columns to choose")
    if html is not None:
        _write(page(load(run), None if html == options.STDOUT else Path(html).parent), html)
    if svg is not None:
        _write(plots.svg(plots.tradeoff(load(run), x, y)), svg)
    if png is not None:
        _write(plots.png(plots.tradeoff(load(run), x, y)), png)
    if form is None and section is None and any((html, svg, png)):
        return
    if section is not None:
        click.echo(files.section(run, section, form or "text"), nl=False)  # type: ignore[arg-type]
        return
    text = files.text(run, form or "text", metrics=metric, width=options.width())
    click.echo(text, nl=False)


def _write(content: str | bytes, name: str) -> None:
    options.write(content, name)
    if name != options.STDOUT:
        click.echo(f"Written: {name}", err=True)
