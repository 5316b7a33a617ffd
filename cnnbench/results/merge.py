"""Several reports as one list of rows, joined on model and variant, never on keys."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from cnnbench import metrics
from cnnbench.errors import UserError
from cnnbench.metrics import COMPANIONS, METRICS, column, of_column, split
from cnnbench.record import model_title
from cnnbench.results import measured
from cnnbench.results.measured import Measured
from cnnbench.results.tables import Run
from cnnbench.units import number

_FACTS = ("input_shape", "classes")
_REFERENCE = "reference_s_samples"


@dataclass
class Row:
    """A network of one or several reports.

    Attributes:
        model, variant: what the rows were joined on.
        facts: ``input_shape`` and ``classes``, where known.
        cells: column -> cell, companions included.
        environments: column -> id of the environment that its value was measured in.
        apart: the facts that tell it from others of its model and variant; empty where none are.
    """

    model: str
    variant: str
    facts: dict[str, str] = field(default_factory=dict)
    cells: dict[str, Any] = field(default_factory=dict)
    environments: dict[str, str] = field(default_factory=dict)
    apart: str = ""

    @property
    def name(self) -> str:
        """The model; where it is not plain float32, the variant; and what tells it apart."""
        return f"{model_title(self.model, self.variant)}{self.apart}"

    def read(self, name: str) -> Measured:
        """The number of column ``name``."""
        return measured.read(self.cells, name)


def frame_of(table: pd.DataFrame | Run) -> pd.DataFrame:
    """The report of ``table``: a `Run`, or a report itself.

    Raises:
        UserError: it is neither.
    """
    frame = table.report if isinstance(table, Run) else table
    if not isinstance(frame, pd.DataFrame) or not {"model", "variant"} <= set(frame.columns):
        raise UserError("not a report: a table with the columns model and variant is expected")
    return frame


def rows_of(frame: pd.DataFrame) -> list[Row]:
    """The rows of one report."""
    found = []
    for cells in frame.to_dict("records"):
        environment = measured.words(cells.get("environment"))
        values = {str(name): cell for name, cell in cells.items()}
        facts = {name: _fact(values.get(name)) for name in _FACTS}
        found.append(
            Row(
                str(values["model"]),
                measured.words(values["variant"]) or "float32",
                {name: fact for name, fact in facts.items() if fact},
                values,
                {name: environment for name in values if environment and of_column(name)},
            )
        )
    return _told_apart(found)


def merge(frames: Sequence[pd.DataFrame]) -> tuple[list[Row], dict[str, list[str]]]:
    """All rows of several reports, and column -> networks of which a number was replaced.

    The same network in several reports becomes one row. Of a number that stands in several of
    them the last is taken; a blank never hides a number.

    Raises:
        UserError: a row without its input shape may be one of several.
    """
    rows: list[Row] = []
    twice: dict[str, list[str]] = {}
    for frame in frames:
        new = rows_of(frame)
        earlier = list(rows)
        for row in new:
            twin = _twin(row, earlier)
            if twin is None:
                rows.append(row)
                continue
            earlier = [other for other in earlier if other is not twin]
            for name in _take(row, twin):
                twice.setdefault(name, []).append(row.name)
    return _told_apart(rows), twice


@dataclass(frozen=True)
class Columns:
    """All columns of several reports, in order, each once.

    Attributes:
        names: of all.
        filled: of those with a value in some row.
    """

    names: tuple[str, ...]
    filled: tuple[str, ...]

    @classmethod
    def of(cls, frames: Sequence[pd.DataFrame]) -> Columns:
        """The columns of ``frames``."""
        names = tuple(dict.fromkeys(str(name) for frame in frames for name in frame.columns))
        has_value = {str(n) for frame in frames for n in frame.columns[frame.notna().any()]}
        return cls(names, tuple(name for name in names if name in has_value))

    def resolve(self, expression: str, where: str) -> str:
        """The one column that ``expression`` means; an empty one only where no other is meant.

        Raises:
            UserError: none or several.
        """
        try:
            return metrics.resolve(expression, self.filled, where)
        except UserError:
            with contextlib.suppress(UserError):
                return metrics.resolve(expression, self.names, where)
            raise


def _told_apart(rows: list[Row]) -> list[Row]:
    """Give rows of one model and variant the facts in which they differ as part of their names."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        row.apart = ""
        groups.setdefault((row.model, row.variant), []).append(row)
    for group in groups.values():
        differing = [fact for fact in _FACTS if len({row.facts.get(fact) for row in group}) > 1]
        for row in group:
            known = [row.facts[fact] for fact in differing if fact in row.facts]
            words = [f"{one} classes" if one.isdigit() else one for one in known]
            row.apart = f" ({', '.join(words)})" if words else ""
    return rows


def _twin(row: Row, rows: Sequence[Row]) -> Row | None:
    """The one of ``rows`` that is the same network as ``row``; None where there is none."""
    found = [other for other in rows if _is_same(row, other)]
    if len(found) > 1:
        raise UserError(
            f"several rows may be the {row.name} of another table, which does not say its "
            + " or ".join(name for name in _FACTS if name not in row.facts),
            hint="give all tables these columns, as every report.csv has them",
        )
    return found[0] if found else None


def _is_same(row: Row, other: Row) -> bool:
    """Same model and variant, and nothing known that tells them apart."""
    return (row.model, row.variant) == (other.model, other.variant) and all(
        row.facts[name] == other.facts[name] for name in row.facts.keys() & other.facts.keys()
    )


def _take(row: Row, twin: Row) -> list[str]:
    """Put the numbers of ``row`` into ``twin``; return those that replaced a different one."""
    replaced, taken = [], set()
    references = {name: cell for name, cell in twin.cells.items() if _is_reference(name)}
    for name in (name for name in row.cells if of_column(name) is not None):
        new, old = row.read(name).value, twin.read(name).value
        if new is None and old is not None:
            continue
        if new is not None and old is not None and new != old:
            replaced.append(name)
        taken.add(name)
        for member in _group(name):
            twin.cells.pop(member, None)
            if member in row.cells:
                twin.cells[member] = row.cells[member]
        if name in row.environments:
            twin.environments[name] = row.environments[name]
    twin.facts |= row.facts
    _forget_samples(twin, taken, references)
    return replaced


def _forget_samples(row: Row, taken: Collection[str], references: Mapping[str, Any]) -> None:
    """Of the numbers that stayed where another table's reference came, the samples go.

    The reference was not timed beside them; value and interval stay.
    """
    for name in [name for name in row.cells if of_column(name) is not None and name not in taken]:
        base, label = split(name)
        reference = column(_REFERENCE, label)
        is_another = row.cells.get(reference) != references.get(reference)
        if is_another and METRICS[base].unit in measured.DRIFTING:
            row.cells.pop(column(f"{base}_samples", label), None)


def _is_reference(name: str) -> bool:
    return split(name)[0] == _REFERENCE


def _group(name: str) -> list[str]:
    """A column, its companions, and for what drifts the reference behind it."""
    base, label = split(name)
    group = [name, *(column(base + ending, label) for ending in COMPANIONS)]
    if METRICS[base].unit in measured.DRIFTING:
        group.append(column(_REFERENCE, label))
    return group


def _fact(cell: Any) -> str:
    """``224x224x3``, ``1000`` (also where pandas made it 1000.0), or '' where unknown."""
    value = number(cell)
    if value is not None:
        return f"{value:g}"
    return measured.words(cell)
