"""Compare two reports: improvements, regressions, and what could not be verified.

They are joined on model, variant and ``metric@setting``, never on keys, so that two runs and two
bare ``report.csv`` files compare alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from cnnbench.errors import UserError
from cnnbench.metrics import METRICS, split
from cnnbench.results.report import Report
from cnnbench.results.tables import Run
from cnnbench.row import Row
from cnnbench.selection.compare.changes import (
    Changes,
    Environments,
    environment_changes,
    input_changes,
)
from cnnbench.selection.compare.numbers import Wanted, compared_numbers
from cnnbench.selection.compare.result import Compared, Comparison
from cnnbench.selection.compare.thresholds import Thresholds
from cnnbench.selection.compare.verdicts import Judged, Outcome, Pair, is_time, judge
from cnnbench.statistics.estimates import MINIMUM_EFFECT

# Where nothing but this is said, there was nothing to compare.
_NOTHING: tuple[Outcome, ...] = ("missing in new", "missing in base", "skipped")


def compare(
    base: pd.DataFrame | Run | Report,
    new: pd.DataFrame | Run | Report,
    *,
    metrics: Sequence[str] = (),
    threshold: str | float = MINIMUM_EFFECT,
    thresholds: Mapping[str, str | float] | None = None,
    require: Sequence[str] = (),
    accept: Sequence[str] = (),
    force: bool = False,
    strict: bool = False,
) -> Comparison:
    """Compare two reports.

    Args:
        base, new: reports, or runs as `cnnbench.load` gives them.
        metrics: only these: a column, or a name that means several; by default everything that is
            counted, one number a latency cell, the measured memory and the accuracies.
        threshold: the smallest relative difference of measured times and memory that counts.
        thresholds: likewise, of single metrics, counts too; of an accuracy it is absolute.
        require: metrics that must have been compared (`Comparison.unmet`), of every network.
        accept: facts of the environment whose change does not keep times from being compared
            (``kernel``, ``libraries.tensorflow``, ``libraries``).
        force: compare times although the environments differ.
        strict: `Comparison.passes` only if every number was compared.

    Raises:
        UserError: an unknown metric or fact, no model or no number on both sides, an empty table.
    """
    before, after = (_report(table, word) for table, word in ((base, "base"), (new, "new")))
    environments = Environments(_fingerprints(base), _fingerprints(new), tuple(accept), force)
    joined = list(_join(before.rows, after.rows))
    if not joined:
        raise UserError("the two have no model and variant in common: there is nothing to compare")
    wanted = Wanted.of((before, after), metrics, require)
    effects = Thresholds.read(threshold, thresholds, wanted.columns)
    both = {id(row) for two in joined for row in two}
    only_in_base = [row for row in before if id(row) not in both]
    only_in_new = [row for row in after if id(row) not in both]
    sides = [
        *joined,
        *((row, _blank(row)) for row in only_in_base),
        *((_blank(row), row) for row in only_in_new),
    ]
    found = [
        (row, name, _pair(row, other, name, effects, environments))
        for row, other in sides
        for name in compared_numbers(row, other, wanted)
    ]
    judged = judge([pair for _, _, pair in found])
    rows = [_compared(*one, verdict) for one, verdict in zip(found, judged, strict=True)]
    count = sum(id(row) in both for row, _, _ in found)  # they come first
    common, alone = tuple(rows[:count]), tuple(rows[count:])
    if not wanted.required and all(row.verdict in _NOTHING for row in common):
        raise UserError(
            "the two have no number in common: there is nothing to compare",
            hint="the same probes and settings are compared",
        )
    return Comparison(
        all(environments.are_comparable(*two) for two in joined),
        Changes(
            environment_changes(joined, environments),
            tuple(row.name for row in only_in_base),
            tuple(row.name for row in only_in_new),
            input_changes(joined),
        ),
        common,
        alone,
        effects.usual,
        effects.own,
        tuple(name for group in wanted.required for name in group),
        strict,
    )


def _report(table: pd.DataFrame | Run | Report, word: str) -> Report:
    report = Report.of(table)
    if not report.rows:
        raise UserError(f"the {word} table is empty: there is nothing to compare")
    return report


def _fingerprints(table: pd.DataFrame | Run | Report) -> dict[str, Mapping[str, Any]]:
    """Return the fingerprints of a run by id, that of the run itself for any other id."""
    found = {"": table.environment, **table.other_environments} if isinstance(table, Run) else {}
    return {name: facts["fingerprint"] for name, facts in found.items() if "fingerprint" in facts}


def _join(base: list[Row], new: list[Row]) -> Iterator[tuple[Row, Row]]:
    """Yield rows of the same model and variant; of several, those of the same input and classes."""
    left = list(new)
    for row in base:
        twins = [r for r in left if (r.model, r.variant) == (row.model, row.variant)]
        several = sum((r.model, r.variant) == (row.model, row.variant) for r in base) > 1
        if several or len(twins) > 1:
            twins = [r for r in twins if r.facts == row.facts]
        if twins:
            left = [r for r in left if r is not twins[0]]
            yield row, twins[0]


def _blank(row: Row) -> Row:
    return Row(row.model, row.variant, row.facts, apart=row.apart)


def _pair(base: Row, new: Row, name: str, effects: Thresholds, environments: Environments) -> Pair:
    metric = METRICS[split(name)[0]]
    may = not is_time(metric) or environments.are_comparable(base, new)
    return Pair(metric, base.read(name), new.read(name), effects.of(name), may)


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
        pair.ratio,
        **vars(judged),
    )
