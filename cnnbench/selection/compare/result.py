"""Results of a comparison: one row per number, and a summary of what was not verified."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import pandas as pd

from cnnbench import units
from cnnbench.metrics import METRICS, split
from cnnbench.selection.compare.changes import Changes
from cnnbench.selection.compare.verdicts import UNVERIFIED, Outcome


@dataclass(frozen=True)
class Compared:
    """One number on both sides.

    Attributes:
        name: model and variant as tables name the row; where several share them, by what they
            differ (``MobileNetV2 (96x96x3)``).
        input_shape, classes: of the base's row, where known.
        metric: the column, setting included.
        base, new: in base units; None where one side has no number.
        ratio: new ÷ base, of these two numbers.
        ratio_ci: its 95 % interval, or the range where there are too few processes for one.
        corrected_ratio, corrected_ratio_ci: of times with which a reference was timed: new ÷
            base after each sample was divided by it, which takes out that the machine was slower
            as a whole. The verdict is by it where there is one.
        verdict: see `cnnbench.selection.compare.verdicts`.
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
    corrected_ratio: float | None
    corrected_ratio_ci: tuple[float, float] | None
    verdict: Outcome
    note: str = ""

    @property
    def is_verified(self) -> bool:
        """True if the two numbers were compared, whatever the result."""
        return self.verdict not in UNVERIFIED

    def show(self, value: float | None) -> str:
        """Return ``value`` as people read it."""
        return units.show(value, METRICS[split(self.metric)[0]].unit)


@dataclass(frozen=True)
class Unverified:
    """Count of numbers of one kind (``accuracies``) not verified, and the verdict on them."""

    count: int
    what: str
    verdict: Outcome

    def __str__(self) -> str:
        link = {"another environment": "from ", "too few samples": "with "}.get(self.verdict, "")
        return f"{self.count} {self.what} {link}{self.verdict}"


@dataclass(frozen=True, repr=False)
class Comparison:
    """Result of a comparison; ``print`` shows it as the command line does.

    Attributes:
        comparable: whether all times could be compared (same environment, unknown, accepted, or
            forced).
        changes: what differs apart from the numbers.
        common, alone: one row per number that either side has or failed at, of networks that both
            sides have, and of networks that only one side has.
        threshold: the smallest relative difference of times and measured memory that counts.
        thresholds: column -> the one that was asked for it.
        required: columns that must have been compared, where a network has them.
        strict: whether everything else must have been compared too.
    """

    comparable: bool
    changes: Changes
    common: tuple[Compared, ...]
    alone: tuple[Compared, ...]
    threshold: float
    thresholds: Mapping[str, float] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    strict: bool = False

    def __str__(self) -> str:
        from cnnbench.selection.compare.text import as_text

        return as_text(self).rstrip("\n")

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from cnnbench.selection.compare.text import as_html

        return as_html(self)

    @property
    def rows(self) -> tuple[Compared, ...]:
        """All rows."""
        return (*self.common, *self.alone)

    @property
    def regressions(self) -> tuple[Compared, ...]:
        """The rows that got worse."""
        return tuple(row for row in self.rows if row.verdict == "worse")

    @property
    def unverified(self) -> tuple[Unverified, ...]:
        """Counts of what was not verified, by verdict; a missing network counts as one."""
        networks = {
            "missing in new": len(self.changes.only_in_base),
            "missing in base": len(self.changes.only_in_new),
        }
        numbers = Counter(
            (row.verdict, METRICS[split(row.metric)[0]].noun)
            for row in self.common
            if not row.is_verified
        )
        found: list[Unverified] = []
        for verdict in UNVERIFIED:
            kinds = {noun: count for (of, noun), count in numbers.items() if of == verdict}
            for noun, count in {("network", "networks"): networks.get(verdict, 0), **kinds}.items():
                if count:
                    found.append(Unverified(count, noun[count != 1], verdict))
        return tuple(found)

    @property
    def unmet(self) -> tuple[Compared, ...]:
        """The rows of required metrics that were not compared."""
        return tuple(r for r in self.rows if r.metric in self.required and not r.is_verified)

    @property
    def failures(self) -> tuple[str, ...]:
        """Checks that failed apart from regressions: ``strict``, then each required metric."""
        found = []
        if self.strict and self.unverified:
            found.append(f"--strict: not verified: {', '.join(map(str, self.unverified))}")
        names: dict[tuple[str, Outcome], list[str]] = {}
        for row in self.unmet:
            names.setdefault((row.metric, row.verdict), []).append(row.name)
        for (metric, verdict), who in names.items():
            found.append(f"--require: {metric}: {verdict}: {', '.join(who)}")
        return tuple(found)

    @property
    def passes(self) -> bool:
        """True without regressions and without `failures`."""
        return not (self.regressions or self.failures)

    @property
    def table(self) -> pd.DataFrame:
        """The rows as a table."""
        return pd.DataFrame([asdict(row) for row in self.rows])

    def to_json(self) -> dict[str, Any]:
        """Return ``{comparable, environment_changes, rows, regressions, …}``, plain values."""
        return {
            "comparable": self.comparable,
            "environment_changes": list(self.changes.environment),
            "only_in_base": list(self.changes.only_in_base),
            "only_in_new": list(self.changes.only_in_new),
            "changed_inputs": list(self.changes.inputs),
            "threshold": self.threshold,
            "thresholds": dict(self.thresholds),
            "not_verified": [asdict(one) for one in self.unverified],
            "rows": [_json(row) for row in self.rows],
            "regressions": [_json(row) for row in self.regressions],
            "required_not_verified": [_json(row) for row in self.unmet],
        }


def _json(row: Compared) -> dict[str, Any]:
    cells = asdict(row)
    return {name: list(cell) if isinstance(cell, tuple) else cell for name, cell in cells.items()}
