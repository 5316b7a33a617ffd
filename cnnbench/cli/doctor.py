"""``cnnbench doctor``: what is here, and how precisely it can be measured."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from cnnbench.cli import options


@click.command()
@options.data_dir("keras/, tensorflow_datasets/ and weights/")
@click.option("--noise/--no-noise", default=True, help="The self-test takes some ten seconds.")
def command(data_dir: Path | None, noise: bool) -> None:
    """Show the machine, the runtimes and the data sets, and test how noisy it is here."""
    from cnnbench.execution import diagnosis

    _section("Machine", diagnosis.machine())
    _section("Runtimes", diagnosis.runtimes())
    _section("Data sets", diagnosis.data_sets(data_dir))
    if noise:
        _noise()


def _section(title: str, lines: Iterable[tuple[str, str]]) -> None:
    click.echo(title)
    for name, value in lines:
        click.echo(f"  {name + ':':28}{value}")


def _noise() -> None:
    import os

    from cnnbench import environment
    from cnnbench.execution import noise as noises

    facts = environment.describe()  # before the test, whose own load would be seen
    found = noises.self_test(
        say=lambda done: click.echo(f"noise self-test: {done} of {noises.PROCESSES}", err=True)
    )
    lines = [
        ("between processes", f"{found.plain:.1%} (robust standard deviation of the location)"),
        ("beside the reference", f"{found.corrected:.1%}"),
    ]
    lines += [
        (f"expected after {rounds} rounds", f"±{half:.1%}")
        for rounds, half in found.expected.items()
    ]
    if found.why_not:
        words = "no forecast on a machine this busy"
        lines.append(("expected", f"{words}: {'; '.join(found.why_not)}"))
    load = facts["load_average"][0] / (os.cpu_count() or 1) if facts["load_average"] else None
    lines += [("advice", line) for line in noises.advice(found, load, facts["cpu_governor"])]
    _section("Noise", lines)
