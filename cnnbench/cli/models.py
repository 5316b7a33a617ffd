"""``cnnbench models``: every architecture known by name, from the catalogue, at once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cnnbench.models.catalog import Entry


@click.command()
@click.option("--family", metavar="FAMILY", help="Only this family.")
@click.option("--json", "as_json", is_flag=True, help="A list of objects on stdout.")
def command(family: str | None, as_json: bool) -> None:
    """List the networks that can be named in a suite: family, year, input, parameters, paper."""
    from cnnbench.models.catalog import ENTRIES

    entries = _of_family(family, list(ENTRIES.values()))
    if as_json:
        click.echo(json.dumps([_plain(entry) for entry in entries], indent=2))
    else:
        _show(entries)


def _of_family(family: str | None, entries: Sequence[Entry]) -> Sequence[Entry]:
    from cnnbench.core.errors import UserError, nearest

    if family is None:
        return entries
    families = {entry.family.lower(): entry.family for entry in entries}
    if family.lower() not in families:
        known = ", ".join(sorted(families.values(), key=str.lower))
        raise UserError(
            f"no family '{family}'", "--family", nearest(family, families.values()) or known
        )
    return [entry for entry in entries if entry.family.lower() == family.lower()]


def _plain(entry: Entry) -> dict[str, object]:
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


def _show(entries: Sequence[Entry]) -> None:
    width = max(len(entry.name) for entry in entries)
    family = max(len(entry.family) for entry in entries)
    click.echo(
        f"{'Name':<{width}}  {'Family':<{family}}  Year  {'Input':>9}  {'Params':>11}  Paper"
    )
    for entry in entries:
        shape = "x".join(str(size) for size in entry.input_shape)
        params = f"{entry.params:,}" if entry.params else ""
        click.echo(
            f"{entry.name:<{width}}  {entry.family:<{family}}  {entry.year or '':>4}  "
            f"{shape:>9}  {params:>11}  {entry.paper}"
        )
