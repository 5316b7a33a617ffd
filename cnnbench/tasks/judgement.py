"""Evaluations in records, and what a task finds by comparing them: intervals, verdicts, places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cnnbench.statistics.verdict import Verdict


class Evaluated(Protocol):
    """One evaluation, as stored in a record."""

    @property
    def metrics(self) -> Mapping[str, float]:
        """Metric name -> value."""

    @property
    def details(self) -> Mapping[str, Any]:
        """Its `Evaluation.details`, among others."""


@dataclass(frozen=True)
class Contender:
    """One model under one training schedule.

    Attributes:
        evaluations: one per seed.
        is_trained: results depend on the seed; False for a model evaluated with given weights.
    """

    evaluations: Sequence[Evaluated]
    is_trained: bool = True


@dataclass(frozen=True)
class Judgement:
    """Interval and verdict of one metric.

    Attributes:
        verdict: whether the number can be trusted.
        value: summary over all seeds; None for the median.
        low, high: the 95 % interval; None to use the default interval.
    """

    verdict: Verdict
    value: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Place:
    """Rank of a contender: its tier, from 1; contenders of a tier do not differ significantly.

    ``open`` says what would separate them, and is empty if the tier has a single contender.
    """

    tier: int
    open: str = ""
