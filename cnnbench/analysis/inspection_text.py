"""Result of ``inspect`` as text: a summary and a table of layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any

from rich.console import Console
from rich.table import Table

from cnnbench.analysis.result import AddedTable, Inspection
from cnnbench.text import html_table, printable_lines, shape_text
from cnnbench.units import Unit, show

Fact = tuple[str, str]  # name and text

HEAVY = 0.05
"""A layer is marked from this share of the MACs on."""

_LONGEST_VALUE = 48  # characters of a fact in the column of values, which a sentence would widen


def as_text(inspection: Inspection, layers: bool = False) -> str:
    """Return the metrics and the share of each type of layer, then a row a layer if ``layers``."""
    found = inspection.to_json()
    parts = [
        summary(found, inspection.facts, inspection.statement),
        share_table(inspection.shares()),
        *(added_table(table) for one in inspection.additions for table in one.tables),
        *([layer_table(found)] if layers else []),
    ]
    return printable_lines("\n".join(parts))


def as_html(inspection: Inspection) -> str:
    """Return the metrics as a small table for a notebook."""
    found = inspection.to_json()
    return html_table(("Metric", "Value", ""), _metrics(found), _head(found))


def summary(found: Mapping[str, Any], facts: Sequence[Fact], statement: str) -> str:
    """Return one line per metric, exact and rounded, then further facts and the convention.

    Args:
        found: ``Inspection.to_json()``.
        facts: more lines, a name and a text each.
        statement: the convention of the counts, in words.
    """
    table = _table(("",), ("",), show_header=False)
    table.add_column(no_wrap=True)
    rows = [*_metrics(found), *((*fact, "") for fact in facts if len(fact[1]) <= _LONGEST_VALUE)]
    for row in rows:
        table.add_row(*row)
    widest = max((len(name) for name, *_ in rows), default=0)
    sentences = [
        f"{name:<{widest}}  {text}\n" for name, text in facts if len(text) > _LONGEST_VALUE
    ]
    notes = [statement, "MACs and FLOPs are per image, activation memory per batch."]
    notes += [f"{note[:1].upper()}{note[1:]}." for note in found["notes"]]
    return f"{_head(found)}\n\n{_drawn(table)}{''.join(sentences)}\n" + "\n".join(notes) + "\n"


def _head(found: Mapping[str, Any]) -> str:
    shape = shape_text(found["input_shape"])
    return f"{found['model']}, input {shape}, batch {found['batch_size']}"


def _metrics(found: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return name, exact value and rounded value of each metric."""
    rows = []
    for name, value in found["metrics"].items():
        unit: Unit = "bytes" if name.endswith("_bytes") else "count"
        exact, rounded = f"{value:,}", show(value, unit)
        is_shorter = value >= 1000 and rounded != exact
        if name in found["bounds"]:
            exact = f"{found['bounds'][name]} {exact}"
        rows.append((name, exact, rounded if is_shorter else ""))
    return rows


def layer_table(found: Mapping[str, Any]) -> str:
    """Return one row per layer; those with at least 5 % of the MACs are marked with ``*``."""
    layers = found["layers"]
    total = max(sum(layer["macs"] for layer in layers), 1)
    numbers = ("params", "MACs", "share", "activation", "field px", "live")
    table = _table(("", "layer", "type", "output"), numbers)
    for layer in layers:
        share = layer["macs"] / total
        table.add_row(
            "*" if share >= HEAVY else "",
            layer["name"],
            layer["type"],
            shape_text(layer["output_shape"]),
            f"{layer['params']:,}",
            f"{layer['macs']:,}",
            f"{100 * share:.1f} %",
            show(layer["activation_bytes"], "bytes"),
            "" if layer["receptive_field_px"] is None else str(layer["receptive_field_px"]),
            show(layer["live_bytes"], "bytes"),
        )
    return f"{_drawn(table)}* at least {100 * HEAVY:.0f} % of the MACs\n"


def share_table(shares: Sequence[Mapping[str, Any]]) -> str:
    """Return one row per type of layer that has parameters or MACs."""
    table = _table(("type",), ("calls", "params", "MACs", "share"))
    for one in shares:
        if one["macs"] or one["params"]:
            share = f"{100 * one['macs_share']:.1f} %"
            table.add_row(
                one["type"], str(one["calls"]), f"{one['params']:,}", f"{one['macs']:,}", share
            )
    return _drawn(table)


def added_table(added: AddedTable) -> str:
    """Return a table of numbers that were not counted, with its title and note."""
    texts = len(added.heads) - added.numbers
    table = _table(added.heads[:texts], added.heads[texts:])
    for row in added.rows:
        table.add_row(*row)
    return f"{added.title}\n{_drawn(table)}" + (f"{added.note}\n" if added.note else "")


def _table(texts: Sequence[str], numbers: Sequence[str], show_header: bool = True) -> Table:
    """Return a table with columns of texts, then columns of numbers."""
    table = Table(box=None, show_header=show_header, pad_edge=False)
    for title in texts:
        table.add_column(title, no_wrap=True)
    for title in numbers:
        table.add_column(title, justify="right", no_wrap=True)
    return table


def _drawn(table: Table) -> str:
    """Return the table as plain text at its full width; nothing is cut when piped."""
    out = StringIO()
    table_console = Console(file=out, width=400, highlight=False, markup=False, emoji=False)
    table_console.print(table)
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())
