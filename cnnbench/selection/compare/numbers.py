"""Select the numbers of two rows to compare: the requested ones, or the default."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cnnbench import metrics as names
from cnnbench.errors import UserError
from cnnbench.metrics import METRICS, of_column, split
from cnnbench.results.report import Report
from cnnbench.row import Row
from cnnbench.statistics.measurement import Measurement


@dataclass(frozen=True)
class Wanted:
    """Selection of numbers to compare.

    Attributes:
        columns: all that either report has, companions included.
        chosen: the only ones to compare; None for the usual ones.
        required: for each required name the columns that it means, one at least of every network;
            a metric that neither report has is listed under its expected name.
    """

    columns: tuple[str, ...]
    chosen: tuple[str, ...] | None = None
    required: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def of(cls, sides: Sequence[Report], metrics: Sequence[str], require: Sequence[str]) -> Wanted:
        """Find the columns that ``--metric`` and ``--require`` name.

        Raises:
            UserError: no such metric.
        """
        columns = tuple(dict.fromkeys(name for report in sides for name in report.columns))
        chosen = [c for name in metrics for c in names.matching(name, columns, "--metric")]
        for column in chosen:
            if of_column(column) is None:
                raise UserError(
                    f"'{column}' is not a metric",
                    "--metric",
                    "name a metric, for example latency_p50",
                )
        return cls(
            columns,
            tuple(dict.fromkeys(chosen)) if metrics else None,
            tuple(tuple(_required(name, columns)) for name in require),
        )


def _required(name: str, columns: Sequence[str]) -> list[str]:
    """Return the columns that a required metric means; else the name it would have."""
    values = [column for column in columns if of_column(column) is not None]
    try:
        return names.matching(name, values, "--require")
    except UserError:
        base, label = split(name)
        known = names.matching(base, METRICS, "--require")  # else it is misspelt
        return [names.column(one, label) for one in known[:1]]


def compared_numbers(base: Row, new: Row, wanted: Wanted) -> list[str]:
    """Return the columns to compare of two rows, in the order of the tables.

    Those that a side has a number of, or failed at; of a required name at least one.
    """
    columns = dict.fromkeys(name for row in (base, new) for name in row.values)
    known_columns = frozenset(wanted.columns)
    both = [name for name in columns if of_column(name) and name in known_columns]
    required = {name for group in wanted.required for name in group}
    usual = [name for name in both if _is_usual(name) or _family(name)]
    asked = {*(usual if wanted.chosen is None else wanted.chosen), *required}
    sides = {name: (base.read(name), new.read(name)) for name in both if name in asked}
    known = {name: two for name, two in sides.items() if any(map(_is_something, two))}
    if wanted.chosen is None:
        shown = {*filter(_is_usual, known), *_of_families(known)}
        found = [name for name in known if name in shown]
    else:
        found = [name for name in wanted.chosen if name in known]
    for group in wanted.required:
        has = [name for name in group if name in known]
        skipped = [name for name in group if name in sides and sides[name][1].was_skipped]
        found += has or skipped[:1] or group[:1]
    return list(dict.fromkeys(found))


def _is_something(found: Measurement) -> bool:
    """Return whether a side has a number, or failed at it."""
    return found.value is not None or found.has_failed


def _of_families(known: Mapping[str, tuple[Measurement, Measurement]]) -> Iterator[str]:
    """Yield the metrics by which families of metrics are compared, in each setting.

    The first that both sides have, those that tables show before others. Besides it the shown ones
    that only the new side lacks: a number that is gone is not verified by another one.
    """

    def missing(name: str) -> int:
        return sum(side.value is None for side in known[name])

    families: dict[tuple[str, str], list[str]] = {}
    for name in filter(_family, known):
        families.setdefault((_family(name), split(name)[1]), []).append(name)
    for family in families.values():
        first = min(family, key=lambda name: (missing(name), not _is_shown(name)))
        yield first
        if not missing(first):
            yield from (name for name in family if _is_shown(name) and _is_lost(*known[name]))


def _is_shown(name: str) -> bool:
    return bool(METRICS[split(name)[0]].group)


def _family(name: str) -> str:
    return METRICS[split(name)[0]].family


def _is_lost(base: Measurement, new: Measurement) -> bool:
    return base.value is not None and new.value is None


def _is_usual(name: str) -> bool:
    metric = METRICS[split(name)[0]]
    if metric.is_published or metric.family:
        return False
    if metric.exact:
        return True
    return metric.better is not None and metric.unit in ("count", "bytes", "fraction")
