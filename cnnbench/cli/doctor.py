"""``cnnbench doctor``: runtimes and data sets of this machine, and the precision to expect."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from cnnbench.cli import options


@click.command()
@options.data_dir("keras/, tensorflow_datasets/ and weights/")
@click.option("--noise/--no-noise", default=True, help="Run the noise self-test (ten seconds).")
def command(data_dir: Path | None, noise: bool) -> None:
    """Show the hardware, runtimes and data sets of this machine, and test how noisy timings are."""
    from cnnbench.execution import diagnosis

    _section("Machine", diagnosis.machine())
    _section("Runtimes", diagnosis.runtimes())
    _section("Data sets", diagnosis.data_sets(data_dir))
    if noise:
        _section("Noise", list(diagnosis.noise(lambda message: click.echo(message, err=True))))


def _section(title: str, lines: Iterable[tuple[str, str]]) -> None:
    click.echo(title)
    for name, value in lines:
        click.echo(f"  {name + ':':30} {value}")
