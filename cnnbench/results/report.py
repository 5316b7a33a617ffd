"""Report of a run: a row per network, a column per ``metric@setting``, of measurements."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from cnnbench.errors import UserError
from cnnbench.metrics import METRICS, column, of_column, resolve, split
from cnnbench.record import FLOAT32
from cnnbench.results import csv_files
from cnnbench.row import NOT_MEASURED, Row
from cnnbench.statistics.measurement import Measurement
from cnnbench.text import html_table
from cnnbench.units import number, show, written

FACTS = ("input_shape", "classes")
_IDENTITY = ("model", "variant", *FACTS, "environment")
LEADING = (*_IDENTITY, "schema_version")
REFERENCE = "reference_s"
_WIDEST = 12  # metrics of a table in a notebook
DRIFTING = ("s", "per_s")  # units of metrics that a slower machine changes


class Report:
    """Rows and columns; all rows have the same columns, blank where nothing was measured.

    Args:
        rows: the networks.
        columns: all columns of its CSV in order, companions included; by default those of the rows.
    """

    def __init__(self, rows: Iterable[Row], columns: Sequence[str] | None = None) -> None:
        self.rows = distinguish(list(rows))
        self.columns = tuple(_ordered(self.rows) if columns is None else columns)
        self.numbers = tuple(filter(of_column, self.columns))  # the columns of values, in order
        owners = [*filter(None, map(csv_files.value_column, self.columns))]
        for row in self.rows:
            blank = dict.fromkeys(owners, NOT_MEASURED)
            row.values = _with_references({**blank, **row.values})

    @classmethod
    def of(cls, table: object) -> Report:
        """Return the report of a run, a report, or one as a pandas table.

        Raises:
            UserError: it is none of these.
        """
        if isinstance(table, Report):
            return table
        measured = getattr(table, "measured", None)
        if isinstance(measured, Report):
            return measured
        if isinstance(table, pd.DataFrame) and {"model", "variant"} <= set(table.columns):
            return cls.from_frame(table)
        raise UserError("not a report: a table with the columns model and variant is expected")

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> Report:
        """Read a pandas table as `to_frame` makes it."""
        names = [str(name) for name in frame.columns]
        owners = dict.fromkeys(filter(None, map(csv_files.value_column, names)))
        axes = {name: csv_files.axes_of(name) for name in owners}
        others = [n for n in names if not csv_files.value_column(n) and n not in _IDENTITY]
        return cls([_row(cells, axes, others) for cells in frame.to_dict("records")], names)

    @classmethod
    def from_csv(cls, file: Path, text: str | None = None) -> Report:
        """Read a ``report.csv``, or ``text`` as if it stood in ``file``.

        Raises:
            UserError: not a report, or of a newer schema.
        """
        return cls.from_frame(csv_files.read_csv(file, text))

    def to_frame(self) -> pd.DataFrame:
        """Return the report as a pandas table: samples joined by ``;``, verdicts in words."""
        rows = [_cells(row) for row in self.rows]
        return pd.DataFrame(rows, columns=list(self.columns))

    def to_csv(self) -> str:
        """Return the report as CSV."""
        return csv_files.to_csv(self.to_frame())

    def has_value(self, name: str) -> bool:
        """Return whether any row has a value in that column."""
        return any(row.get(name).value is not None for row in self.rows)

    def axes(self, name: str) -> Mapping[str, str]:
        """Return the facts of a column's setting that tables group by: ``{"device": "cpu"}``."""
        return next(filter(None, (row.axes.get(name) for row in self.rows)), {})

    def resolve(self, expression: str, where: str) -> str:
        """Return the one column that ``expression`` means; an empty one only as a last resort.

        Raises:
            UserError: none or several.
        """
        try:
            return resolve(expression, filter(self.has_value, self.numbers), where)
        except UserError:
            with contextlib.suppress(UserError):
                return resolve(expression, self.columns, where)
            raise

    def only(self, columns: Iterable[str]) -> Report:
        """Return the report reduced to these columns."""
        kept = set(columns)
        names = [name for name in self.columns if name in kept]
        numbers = {csv_files.value_column(name) for name in names}
        rows = [
            replace(
                row,
                values={name: one for name, one in row.values.items() if name in numbers},
                others={name: cell for name, cell in row.others.items() if name in kept},
            )
            for row in self.rows
        ]
        return Report(rows, names)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __repr__(self) -> str:
        return f"<Report of {len(self.rows)} networks, {len(self.numbers)} metrics>"

    def _repr_html_(self) -> str:
        shown = [n for n in self.numbers if METRICS[split(n)[0]].group and self.has_value(n)][
            :_WIDEST
        ]
        heads = ["Network", *(f"{METRICS[split(n)[0]].title} {split(n)[1]}".strip() for n in shown)]
        rows = [[row.name, *(_shown(row.get(name), name) for name in shown)] for row in self.rows]
        return html_table(heads, rows)


def _shown(found: Measurement, name: str) -> str:
    text = show(found.value, METRICS[split(name)[0]].unit)
    return f"{text} ?" if text and found.is_doubtful else text


def distinguish(rows: list[Row]) -> list[Row]:
    """Add the facts in which rows of one model and variant differ to their names."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        row.apart = ""
        groups.setdefault((row.model, row.variant), []).append(row)
    for group in groups.values():
        differing = [fact for fact in FACTS if len({row.facts.get(fact) for row in group}) > 1]
        for row in group:
            known = [row.facts[fact] for fact in differing if fact in row.facts]
            words = [f"{one} classes" if one.isdigit() else one for one in known]
            row.apart = f" ({', '.join(words)})" if words else ""
    return rows


def _cells(row: Row) -> dict[str, Any]:
    """Column -> cell of a row, as in a CSV."""
    classes = row.facts.get("classes", "")
    found: dict[str, Any] = {
        "model": row.model,
        "variant": row.variant,
        "input_shape": row.facts.get("input_shape"),
        "classes": int(classes) if classes.isdigit() else None,
        "environment": row.environment,
    }
    for name, one in row.values.items():
        reference = row.get(column(REFERENCE, split(name)[1]))
        # The CSV has one reference per setting; these samples were timed with another.
        if one.references and one.references != reference.samples:
            one = replace(one, samples=())
        found.update(csv_files.cells(name, one))
    return found | row.others


def _row(
    cells: Mapping[Any, Any], axes: Mapping[str, Mapping[str, str]], others: Iterable[str]
) -> Row:
    environment = csv_files.words(cells.get("environment"))
    facts = {name: _fact(cells.get(name)) for name in FACTS}
    return Row(
        str(cells["model"]),
        csv_files.words(cells["variant"]) or FLOAT32,
        {name: fact for name, fact in facts.items() if fact},
        environment,
        {
            name: replace(csv_files.measurement(cells, name), environment=environment)
            for name in axes
        },
        {name: cells[name] for name in others},
        dict(axes),
    )


def _fact(cell: Any) -> str:
    """``224x224x3``, ``1000`` (also where pandas made it 1000.0), or '' where unknown."""
    value = number(cell)
    return csv_files.words(cell) if value is None else written(value)


def _with_references(values: dict[str, Measurement]) -> dict[str, Measurement]:
    """Add the reference timed with them to measurements that drift, unless they have one."""
    found = {}
    for name, one in values.items():
        metric, label = split(name)
        unit = METRICS[metric].unit if metric in METRICS else ""
        reference = values.get(column(REFERENCE, label), NOT_MEASURED).samples
        if unit in DRIFTING and one.samples and not one.references:
            one = replace(one, references=reference, is_rate=unit == "per_s")
        found[name] = one
    return found


def _ordered(rows: Sequence[Row]) -> list[str]:
    """Return columns in the order of metrics, then of settings; companions follow their metric."""
    names = dict.fromkeys(name for row in rows for name in _cells(row) if name not in LEADING)
    order = list(METRICS)
    first = dict.fromkeys(split(name)[1] for name in (*LEADING, *names))
    labels = {label: at for at, label in enumerate(first)}

    def place(name: str) -> tuple[int, int, str]:
        metric, label = split(name)
        owner = split(csv_files.value_column(name) or name)[0]
        rank = order.index(owner) if owner in order else len(order)
        return rank, labels[label], metric[len(owner) :]

    return [*LEADING, *sorted(names, key=place)]
