"""``cnnbench models``: list the catalogue."""

from __future__ import annotations

import json
import sys

import click

from cnnbench.cli import options


@click.command()
@click.argument("part", required=False, metavar="[NAME]")
@click.option("--family", metavar="F", help="Only this family, for example ResNet.")
@click.option("--task", metavar="T", help="Only models for this task, for example classification.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(part: str | None, family: str | None, task: str | None, as_json: bool) -> None:
    """List the architectures that are known by name, or those whose name contains NAME.

    A model of your own needs no entry here: write package.module:builder, file.py:builder or the
    name of a .keras file wherever a model is named.
    """
    from cnnbench.models import catalog, registry

    entries = registry.entries(family, task, part)
    if as_json:
        click.echo(json.dumps([entry.to_json() for entry in entries], indent=1))
        return
    width = options.width() if sys.stdout.isatty() else None  # a pipe gets whole lines
    for line in catalog.table(entries):
        click.echo(line if width is None or len(line) <= width else f"{line[: width - 1]}…")
