"""Smallest differences that count: one for times and memory, and one of any single metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cnnbench import metrics as names
from cnnbench import units
from cnnbench.errors import UserError
from cnnbench.metrics import METRICS, split


@dataclass(frozen=True)
class Thresholds:
    """Smallest differences that count.

    Attributes:
        usual: relative, of measured times and memory, and of what trained weights decide.
        own: column -> its own: relative, of a fraction absolute.
    """

    usual: float
    own: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def read(
        cls,
        threshold: str | float,
        thresholds: Mapping[str, str | float] | None,
        columns: Sequence[str],
    ) -> Thresholds:
        """Read ``5%`` and metric -> ``1%``; a metric means all of its ``columns``.

        Raises:
            UserError: no such metric, or not between 0 and 100 %.
        """
        usual = _effect(threshold)
        own = {
            column: _effect(value, f"{name}=")
            for name, value in (thresholds or {}).items()
            for column in names.matching(name, columns, "--threshold")
        }
        return cls(usual, own)

    def of(self, column: str) -> float:
        """Return the smallest difference of a column that counts; 0 if any does."""
        if column in self.own:
            return self.own[column]
        metric = METRICS[split(column)[0]]
        is_measured = metric.depends_on == "setting" and metric.unit != "fraction"
        return self.usual if is_measured or metric.depends_on == "weights" else 0.0


def _effect(threshold: str | float, name: str = "") -> float:
    effect = units.parse(threshold, "fraction", "--threshold")
    if not 0 <= effect < 1:
        raise UserError(
            f"a threshold of {effect:g}",
            f"--threshold {name}".strip(),
            "between 0 and 100 %, as 5%",
        )
    return effect
