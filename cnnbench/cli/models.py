"""``cnnbench models``: list the catalogue."""

from __future__ import annotations

import json
import sys

import click

from cnnbench.cli import options


@click.command()
@click.argument("part", required=False, metavar="[NAME]")
@click.option("--family", metavar="F", help="Only this family, for example ResNet.")
@click.option(
    "--task", metavar="T", help="Only models and heads for this task, for example localization."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(part: str | None, family: str | None, task: str | None, as_json: bool) -> None:
    """List the architectures and heads that are known by name, or those whose name contains NAME.

    A head goes on any architecture and makes it a network for the head's task: MobileNetV2+box.
    A model of your own needs no entry here: write package.module:builder, file.py:builder or the
    name of a .keras file wherever a model is named.
    """
    from cnnbench.models import catalog, registry

    entries = registry.entries(family, task, part)
    heads = {} if family else registry.heads(task, part)
    if as_json:
        facts = [entry.to_json() for entry in entries]
        facts += [catalog.head_json(name, head) for name, head in heads.items()]
        click.echo(json.dumps(facts, indent=1))
        return
    width = options.width() if sys.stdout.isatty() else None  # a pipe gets whole lines
    lines = catalog.table(entries) if entries else []
    lines += [""] if entries and heads else []
    lines += catalog.head_table(heads) if heads else []
    for line in lines:
        click.echo(line if width is None or len(line) <= width else f"{line[: width - 1]}…")
