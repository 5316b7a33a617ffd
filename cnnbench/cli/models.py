"""``cnnbench models``: what the catalogue holds, instantly."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import click

from cnnbench.cli import options
from cnnbench.errors import UserError, nearest, plain

if TYPE_CHECKING:
    from cnnbench.models.catalog import Entry


@click.command()
@click.argument("part", required=False, metavar="[NAME]")
@click.option("--family", metavar="F", help="Only this family, for example ResNet.")
@click.option("--json", "as_json", is_flag=True, help="As JSON on stdout.")
def command(part: str | None, family: str | None, as_json: bool) -> None:
    """List every architecture, or those with NAME in theirs: year, input, parameters, paper.

    A network of your own needs no entry here: write package.module:builder, file.py:builder or
    a .keras file wherever a model is named.
    """
    from cnnbench.models import registry

    entries = registry.entries(family)
    if part is not None:
        entries = [entry for entry in entries if plain(part) in plain(entry.name)] or _none(part)
    if as_json:
        click.echo(json.dumps([_as_json(entry) for entry in entries], indent=1))
    else:
        # A pipe gets whole lines.
        width = options.width() if sys.stdout.isatty() else None
        for line in _table(entries):
            click.echo(line if width is None or len(line) <= width else f"{line[: width - 1]}…")


def _none(part: str) -> NoReturn:
    from cnnbench.models import registry

    hint = nearest(part, registry.names()) or "without a name all are listed"
    raise UserError(f"no architecture has '{part}' in its name", hint=hint)


def _as_json(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "family": entry.family,
        "year": entry.year,
        "input_shape": list(entry.input_shape),
        "params": entry.params,
        "source": entry.source,
        "paper": entry.paper,
        "min_size": entry.min_size,
    }


def _table(entries: Sequence[Entry]) -> list[str]:
    """Left-aligned words, right-aligned numbers; the longest, the paper, last."""
    rows = [("Model", "Family", "Year", "Input", "Params", "Source", "Paper")]
    rows += [
        (
            entry.name,
            entry.family,
            str(entry.year or ""),
            "x".join(map(str, entry.input_shape)),
            "" if entry.params is None else f"{entry.params:,}",
            entry.source,
            entry.paper,
        )
        for entry in entries
    ]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if number == 4 else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
