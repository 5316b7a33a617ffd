"""``cnnbench forecast``: predict latencies from those that were measured on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cnnbench.cli import options
from cnnbench.errors import UserError

if TYPE_CHECKING:
    from cnnbench.forecast.text import Form


@click.command()
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@options.results("counts and fits")
@click.option(
    "--environment",
    metavar="ID",
    help="Forecast for the machine of this environment of a run, instead of this machine.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "md", "json"]),
    default="text",
    show_default=True,
    help="How to print.",
)
def command(models: tuple[str, ...], results: Path, environment: str | None, form: Form) -> None:
    """Predict the latency of every MODEL from the networks measured on this machine.

    Without MODEL, show how far the predictions are off for families of networks that they were not
    fitted on. Nothing is run; counting a network takes seconds and is done once.
    """
    from cnnbench import forecast
    from cnnbench.forecast import evidence, text
    from cnnbench.forecast.counts import Counts
    from cnnbench.models import registry

    resolved = [registry.resolve(model, (Path.cwd(),)) for model in models]
    here = evidence.fingerprint_of(results, environment) if environment else None
    fitted = forecast.fit(results, here, report=lambda message: click.echo(message, err=True))
    for note in fitted.notes:
        click.echo(note, err=True)
    if not fitted.found:
        raise UserError(
            "no forecast: " + text.too_few(fitted),
            str(results),
            "measure more networks on this machine with `cnnbench run`",
        )
    if not models:
        click.echo(text.errors(fitted, form), nl=False)
        return
    counts = Counts(results)
    found = {}
    for model in resolved:
        operations = counts.of(model, tuple(model.input_shape))
        found[model.label] = [one.predict(operations) for one in fitted.found]
    click.echo(text.predictions(found, form), nl=False)
