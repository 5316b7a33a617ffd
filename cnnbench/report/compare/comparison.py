"""Two reports side by side: what got better, what got worse, what cannot be told.

They are joined on model, variant and ``metric@setting``, never on keys, so that two runs and two
bare ``report.csv`` files compare alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from cnnbench.core import metrics as names
from cnnbench.core import units
from cnnbench.core.errors import UserError
from cnnbench.core.metrics import METRICS, of_column, split
from cnnbench.report.compare.changes import Changes, changes, is_same_environment
from cnnbench.report.compare.verdicts import Judged, Pair, Verdict, is_time, judge
from cnnbench.report.merge import Row, frame_of, rows_of
from cnnbench.store.statistics import MINIMUM_EFFECT
from cnnbench.store.tables import Run

# One number a latency cell is compared: the first of these that both sides have, else one has.
_LATENCIES = (
    "latency_location_s",
    "latency_p50_s",
    "latency_mean_s",
    "latency_p90_s",
    "latency_p95_s",
    "latency_p99_s",
)


@dataclass(frozen=True)
class Compared:
    """One number on both sides.

    Attributes:
        name: model and variant as tables name the row; where several share them, by what they
            differ (``MobileNetV2 (96x96x3)``).
        input_shape, classes: of the base's row, where known.
        metric: the column, setting included.
        base, new: in base units; None where one side has no number.
        ratio: new ÷ base; of times drift-corrected by the reference.
        ratio_ci: its 95 % interval, or the range where there are too few processes for one.
        verdict: ``better``, ``worse``, ``same``, ``cannot tell`` or ``not comparable``.
        note: why, where the verdict does not explain itself.
    """

    name: str
    model: str
    variant: str
    input_shape: str
    classes: str
    metric: str
    base: float | None
    new: float | None
    ratio: float | None
    ratio_ci: tuple[float, float] | None
    verdict: Verdict
    note: str = ""

    def show(self, value: float | None) -> str:
        """``value`` as people read it."""
        return units.show(value, METRICS[split(self.metric)[0]].unit)


@dataclass(frozen=True)
class Comparison:
    """What comparing found.

    Attributes:
        comparable: whether all times were compared (same environment, unknown, or forced).
        changes: what differs apart from the numbers.
        rows: one a number that both sides have or one side failed at.
        threshold: the smallest relative difference of times that counts.
    """

    comparable: bool
    changes: Changes
    rows: tuple[Compared, ...]
    threshold: float

    @property
    def regressions(self) -> tuple[Compared, ...]:
        """The rows that got worse."""
        return tuple(row for row in self.rows if row.verdict == "worse")

    @property
    def table(self) -> pd.DataFrame:
        """The rows as a table."""
        return pd.DataFrame([asdict(row) for row in self.rows])

    def to_json(self) -> dict[str, Any]:
        """``{comparable, environment_changes, rows, regressions, …}``, plain values."""
        return {
            "comparable": self.comparable,
            "environment_changes": list(self.changes.environment),
            "only_in_base": list(self.changes.only_in_base),
            "only_in_new": list(self.changes.only_in_new),
            "changed_settings": list(self.changes.settings),
            "threshold": self.threshold,
            "rows": [_json(row) for row in self.rows],
            "regressions": [_json(row) for row in self.regressions],
        }


def compare(
    base: pd.DataFrame | Run,
    new: pd.DataFrame | Run,
    *,
    metrics: Sequence[str] = (),
    threshold: str | float = MINIMUM_EFFECT,
    force: bool = False,
) -> Comparison:
    """Compare two reports.

    Args:
        base, new: reports, or runs as `cnnbench.load` gives them.
        metrics: only these: a column, or a name that means several; by default everything that is
            counted, one number a latency cell, the measured memory and the accuracies.
        threshold: the smallest relative difference of measured times and memory that counts.
        force: compare times although the environments differ.

    Raises:
        UserError: an unknown metric, no model or no number on both sides, an empty table.
    """
    effect = units.parse(threshold, "fraction", "--threshold")
    if not 0 <= effect < 1:
        raise UserError(f"a threshold of {effect:g}", "--threshold", "between 0 and 100 %, as 5%")
    before, after = (_rows(table, word) for table, word in ((base, "base"), (new, "new")))
    joined = list(_join(before, after))
    if not joined:
        raise UserError("the two have no model and variant in common: there is nothing to compare")
    facts = _fingerprint(base), _fingerprint(new)
    found = list(_pairs(joined, _wanted(metrics, (before, after)), facts, force))
    if not found:
        raise UserError(
            "the two have no number in common: there is nothing to compare",
            hint="the same probes and settings are compared",
        )
    verdicts = judge([pair for _, _, pair in found], effect)
    rows = tuple(
        _compared(row, name, pair, judged)
        for (row, name, pair), judged in zip(found, verdicts, strict=True)
    )
    comparable = force or all(is_same_environment(*two, *facts) for two in joined)
    return Comparison(comparable, changes(before, after, joined, *facts), rows, effect)


def _rows(table: pd.DataFrame | Run, word: str) -> list[Row]:
    rows = rows_of(frame_of(table))
    if not rows:
        raise UserError(f"the {word} table is empty: there is nothing to compare")
    return rows


def _fingerprint(table: pd.DataFrame | Run) -> Mapping[str, Any]:
    facts = table.environment.get("fingerprint") if isinstance(table, Run) else None
    return facts if isinstance(facts, Mapping) else {}


def _join(base: list[Row], new: list[Row]) -> Iterator[tuple[Row, Row]]:
    """Rows of the same model and variant; where one has several, of the same input and classes."""
    left = list(new)
    for row in base:
        twins = [r for r in left if (r.model, r.variant) == (row.model, row.variant)]
        several = sum((r.model, r.variant) == (row.model, row.variant) for r in base) > 1
        if several or len(twins) > 1:
            twins = [r for r in twins if r.facts == row.facts]
        if twins:
            left = [r for r in left if r is not twins[0]]
            yield row, twins[0]


def _wanted(metrics: Sequence[str], sides: Sequence[list[Row]]) -> list[str] | None:
    if not metrics:
        return None
    columns = list(dict.fromkeys(name for rows in sides for row in rows for name in row.cells))
    found = [name for metric in metrics for name in names.matching(metric, columns, "--metric")]
    wanted = list(dict.fromkeys(found))
    for name in wanted:
        if of_column(name) is None:
            raise UserError(f"'{name}' is no metric", "--metric", "name a metric, as latency_p50")
    return wanted


def _pairs(
    joined: Sequence[tuple[Row, Row]],
    wanted: list[str] | None,
    facts: Sequence[Mapping[str, Any]],
    force: bool,
) -> Iterator[tuple[Row, str, Pair]]:
    for base, new in joined:
        is_comparable = force or is_same_environment(base, new, *facts)
        for name in _usual(base, new) if wanted is None else wanted:
            metric = METRICS[split(name)[0]]
            if name in base.cells and name in new.cells and any(_numbers(name, base, new)):
                may = is_comparable or not is_time(metric)
                yield base, name, Pair(metric, base.read(name), new.read(name), may)


def _usual(base: Row, new: Row) -> list[str]:
    """The columns that are compared where none is asked for, in the order of the tables."""
    both = [name for name in base.cells if name in new.cells and of_column(name) is not None]
    chosen: dict[str, str] = {}
    for has_it in (all, any):
        for metric in _LATENCIES:
            for name in both:
                if split(name)[0] == metric and has_it(_numbers(name, base, new)):
                    chosen.setdefault(split(name)[1], name)
    return [name for name in both if name in chosen.values() or _is_usual(name)]


def _numbers(name: str, base: Row, new: Row) -> list[bool]:
    """Which of the two sides has a number."""
    return [row.read(name).value is not None for row in (base, new)]


def _is_usual(name: str) -> bool:
    metric = METRICS[split(name)[0]]
    if metric.name.startswith("published_"):
        return False
    if metric.exact:
        return True
    return metric.better is not None and metric.unit in ("count", "bytes", "fraction")


def _compared(row: Row, name: str, pair: Pair, judged: Judged) -> Compared:
    return Compared(
        row.name,
        row.model,
        row.variant,
        row.facts.get("input_shape", ""),
        row.facts.get("classes", ""),
        name,
        pair.base.value,
        pair.new.value,
        judged.ratio,
        judged.ratio_ci,
        judged.verdict,
        judged.note,
    )


def _json(row: Compared) -> dict[str, Any]:
    return {**asdict(row), "ratio_ci": list(row.ratio_ci) if row.ratio_ci else None}
