"""``cnnbench doctor``: runtimes and data sets of this machine, its precision and its peaks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from cnnbench.cli import options


@click.command()
@options.data_dir("keras/, tensorflow_datasets/ and weights/")
@click.option("--noise/--no-noise", default=True, help="Run the noise self-test (ten seconds).")
@click.option(
    "--peaks/--no-peaks",
    default=True,
    help="Measure peak FLOP/s and bandwidth (some seconds), for the roofline in reports.",
)
@options.results("peaks")
@click.option(
    "--on",
    metavar="EXECUTOR",
    help="Show the machine and runtimes where that executor measures, as in `run`.",
)
def command(data_dir: Path | None, noise: bool, peaks: bool, results: Path, on: str | None) -> None:
    """Show the hardware, runtimes and data sets of this machine, and test how noisy timings are."""
    from cnnbench.execution import diagnosis
    from cnnbench.execution import executor as executors
    from cnnbench.execution.peaks import measure_and_keep

    def report_progress(message: str) -> None:
        click.echo(message, err=True)

    if on is not None:
        executor = executors.find(on, "--on")
        _section(f"Machine of {on}", diagnosis.machine_of(executor))
        _section("Runtimes there", diagnosis.runtimes_of(executor))
        return
    _section("Machine", diagnosis.machine())
    _section("Runtimes", diagnosis.runtimes())
    _section("Data sets", diagnosis.data_sets(data_dir))
    if noise:
        _section("Noise", list(diagnosis.noise(report_progress)))
    if peaks:
        _section("Peaks", list(measure_and_keep(results, report_progress)))


def _section(title: str, lines: Iterable[tuple[str, str]]) -> None:
    click.echo(title)
    for name, value in lines:
        click.echo(f"  {name + ':':30} {value}")
