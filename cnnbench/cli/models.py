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
@click.option(
    "--max",
    "at_most",
    multiple=True,
    metavar="METRIC=VALUE",
    help="Only at most this: macs, params or file; may be repeated.",
)
@click.option(
    "--min",
    "at_least",
    multiple=True,
    metavar="METRIC=VALUE",
    help="Only at least this; may be repeated.",
)
@click.option("--sort", metavar="ORDER", help="Sort by macs, params, file or name.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    part: str | None,
    family: str | None,
    task: str | None,
    at_most: tuple[str, ...],
    at_least: tuple[str, ...],
    sort: str | None,
    as_json: bool,
) -> None:
    """List the architectures and heads that are known by name, or those whose name contains NAME.

    MACs, parameters and the estimated size of a float32 file are those at the default input:
    --max macs=300M --max file=20MB --sort macs lists what is small enough, the cheapest first.
    A head goes on any architecture and makes it a network for the head's task: MobileNetV2+box.
    A model of your own needs no entry here: write package.module:builder, file.py:builder or the
    name of a .keras file wherever a model is named.
    """
    from cnnbench.models import listing, registry

    limits: dict[listing.Side, tuple[str, ...]] = {"max": at_most, "min": at_least}
    entries, unknown = listing.within(registry.entries(family, task, part), limits)
    if sort is not None:
        entries = listing.by(sort, entries)
    is_limited = family or at_most or at_least
    heads = {} if is_limited else registry.heads(task, part)
    if unknown:
        click.echo(listing.left_out(unknown), err=True)
    if as_json:
        facts = [entry.to_json() for entry in entries]
        facts += [listing.head_json(name, head) for name, head in heads.items()]
        click.echo(json.dumps(facts, indent=1))
        return
    width = options.width() if sys.stdout.isatty() else None  # a pipe gets whole lines
    lines = listing.table(entries, width) if entries else []
    lines += [""] if entries and heads else []
    lines += listing.head_table(heads, width) if heads else []
    for line in lines or ["No architecture is within these limits."]:
        click.echo(line)
