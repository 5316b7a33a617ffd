"""Which networks a training schedule can tell apart, and what it would take where it cannot.

Two networks that were judged on the same images are compared image by image, so that what makes
an image hard for both cancels. Computed from records every time a table is made, never stored.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, pairwise
from statistics import fmean, variance
from typing import Any

import numpy as np

from cnnbench.metrics import column
from cnnbench.probes.accuracy.answers import Answers, answers_of
from cnnbench.probes.accuracy.training_config import PRETRAINED
from cnnbench.probes.probe import setting_of
from cnnbench.record import Record
from cnnbench.statistics import estimates, proportions
from cnnbench.statistics.robust import CONFIDENCE

TIER, RANKING = "top1_tier", "top1_ranking"
_MOST_SEEDS = 50  # beyond that a longer schedule is the cheaper way


@dataclass(frozen=True)
class Contender:
    """One network under one schedule.

    Attributes:
        shares: of right answers, one a seed.
        examples: the test images.
        answers: of every seed, to the same images; none where they are not known.
        chance: the share that the largest class alone would give.
        is_trained: by seeds of which another set would give other shares; one that came with its
            weights is the same every time, and its images alone are a sample.
    """

    shares: tuple[float, ...]
    examples: int
    answers: tuple[Answers, ...] = ()
    chance: float = 0.0
    is_trained: bool = True

    @property
    def mean(self) -> float:
        return fmean(self.shares)

    @property
    def right_by_image(self) -> np.ndarray:
        """``(examples,)`` of int64: how many of the seeds got each image right."""
        return np.asarray(np.sum([one.right for one in self.answers], axis=0, dtype=np.int64))

    @property
    def of_seeds(self) -> float:
        """The variance between its seeds; 0 with one."""
        return variance(self.shares) if len(self.shares) > 1 else 0.0

    @property
    def is_ranked(self) -> bool:
        """Whether its interval excludes chance."""
        return proportions.estimate(self.shares, self.examples).low > self.chance


@dataclass(frozen=True)
class Place:
    """Where a contender stands: its tier, 1 the best, and what the tier leaves open."""

    tier: int
    open: str = ""


def columns(
    rows: Sequence[Mapping[str, Any]], records: Sequence[Sequence[Record]]
) -> list[dict[str, Any]]:
    """For every row of a report its tier and what is open, one pair of columns a schedule."""
    found: list[dict[str, Any]] = [{} for _ in rows]
    by_label: dict[str, dict[int, Contender]] = defaultdict(dict)
    for place, of_row in enumerate(records):
        for label, contender in _contenders(of_row).items():
            by_label[label][place] = contender
    for label, contenders in by_label.items():
        ranked = {place: one for place, one in contenders.items() if one.is_ranked}
        if len(ranked) < 2:
            continue
        for place, stands in zip(ranked, places(list(ranked.values())), strict=True):
            found[place][column(TIER, label)] = stands.tier
            found[place][column(RANKING, label)] = stands.open
    return found


def places(contenders: Sequence[Contender]) -> list[Place]:
    """The place of each, all above chance; those that cannot be told apart share a tier.

    A tier is led by its best, and holds those that are not shown to be worse than the leader
    (all pairs are one family of tests, Holm-corrected).
    """
    field = _Field(contenders)
    order = sorted(range(len(contenders)), key=lambda place: -contenders[place].mean)
    pairs = list(combinations(order, 2))
    p_values = [field.difference(a, b).p() for a, b in pairs]
    worse = {
        pair for pair, p in zip(pairs, estimates.holm(p_values), strict=True) if p < 1 - CONFIDENCE
    }
    found = [Place(0)] * len(contenders)
    for number, tier in enumerate(estimates.grouped(order, worse), 1):
        words = _open(field, tier, number, len(pairs))
        for place in tier:
            found[place] = Place(number, words)
    return found


@dataclass(frozen=True)
class _Field:
    """All that compete under one schedule, and the variance between seeds that they share.

    A few seeds a network say little of its own variance, so it is pooled over all of them (the
    one-way analysis of variance); one that varies more than that keeps its own.
    """

    contenders: Sequence[Contender]

    @cached_property
    def freedom(self) -> float:
        """Degrees of freedom of the pooled variance; without end where no seed was drawn."""
        if not any(one.is_trained for one in self.contenders):
            return math.inf
        return sum(len(one.shares) - 1 for one in self.contenders)

    @cached_property
    def pooled(self) -> float:
        squares = math.fsum((len(c.shares) - 1) * c.of_seeds for c in self.contenders)
        return squares / self.freedom if self.freedom else math.nan

    def difference(self, a: int, b: int) -> _Difference:
        """Contender ``a`` minus ``b``.

        On the same images, the images' share of the error is that of the differences image by
        image. It still holds some of the seeds' noise, so that the error is rather too large.
        """
        one, other = self.contenders[a], self.contenders[b]
        if one.answers and other.answers and one.answers[0].is_paired_with(other.answers[0]):
            of_images = _variance_of_paired(one, other) / one.examples
        else:
            of_images = sum(c.mean * (1 - c.mean) / c.examples for c in (one, other))
        of_seeds = [max(self.pooled, c.of_seeds) for c in (one, other)]
        seeds = [len(c.shares) for c in (one, other)]
        return _Difference(self, one.mean - other.mean, of_images, of_seeds, seeds)


def _variance_of_paired(one: Contender, other: Contender) -> float:
    """Variance over the images of the difference of two contenders' shares of right seeds.

    Over the common denominator all shares are whole numbers, whose sums are exact.
    """
    seeds, others = len(one.answers), len(other.answers)
    differences = others * one.right_by_image - seeds * other.right_by_image
    count, total, squares = len(differences), int(differences.sum()), int((differences**2).sum())
    return (count * squares - total**2) / (count * max(count - 1, 1) * (seeds * others) ** 2)


@dataclass(frozen=True)
class _Difference:
    """Of two means: the gap, and the variances that add up to its error.

    ``of_images`` is common to all seeds, and more seeds do not make it smaller.
    """

    field: _Field
    gap: float
    of_images: float
    of_seeds: list[float]
    seeds: list[int]

    def p(self, more: int = 0) -> float:
        """Two-sided, were there so many ``more`` seeds of everything and all else the same.

        1 where every network has a single seed, which says nothing of the next.
        """
        from scipy.special import stdtr

        freedom = self.field.freedom + more * len(self.field.contenders)
        if not self.field.freedom:
            return 1.0
        part = sum(v / (n + more) for v, n in zip(self.of_seeds, self.seeds, strict=True))
        error = math.sqrt(part + self.of_images)
        if not error:
            return 0.0 if self.gap else 1.0
        # Satterthwaite: the images' share is as good as known.
        effective = min(freedom * ((part + self.of_images) / part) ** 2, 1e6) if part else 1e6
        return float(2 * stdtr(effective, -abs(self.gap) / error))

    def seeds_needed(self, alpha: float) -> int | None:
        """How many more seeds would show the gap; None where `_MOST_SEEDS` would not."""
        return next((n for n in range(1, _MOST_SEEDS + 1) if self.p(n) < alpha), None)


def _open(field: _Field, tier: Sequence[int], number: int, pairs: int) -> str:
    """What would settle the order inside a tier, for the hardest of its neighbours."""
    if len(tier) < 2:
        return ""
    head = f"tier {number} is not settled"
    if not field.freedom:
        return f"{head}: 2 seeds at least"
    differences = [field.difference(a, b) for a, b in pairwise(tier)]
    # Bonferroni's share of the error, a little stricter than Holm's.
    needed = [one.seeds_needed((1 - CONFIDENCE) / pairs) for one in differences]
    counts = [count for count in needed if count is not None]
    if len(counts) == len(needed):
        count = max(counts)
        return f"{head}: about {count} more seed{'s' * (count != 1)} would settle it"
    smallest = 100 * min(abs(one.gap) for one in differences)
    images = min(field.contenders[place].examples for place in tier)
    if math.isinf(field.freedom):
        return f"{head}: {smallest:.1f} % apart, which takes more than {images:,} test images"
    return (
        f"{head}: {_MOST_SEEDS} more seeds would not do ({smallest:.1f} % apart on {images:,} "
        "test images); train longer, twice the epochs to begin with"
    )


def _contenders(records: Iterable[Record]) -> dict[str, Contender]:
    """label -> the contender, from the accuracies of one row."""
    by_label: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        if record.probe == "accuracy" and record.status == "ok" and _is_complete(record):
            by_label[setting_of(record).label()].append(record)
    return {label: _contender(group) for label, group in by_label.items()}


def _is_complete(record: Record) -> bool:
    examples = record.details.get("n_test")
    is_known = isinstance(examples, int) and examples > 0
    return is_known and record.metrics.get("top1") is not None


def _contender(records: Sequence[Record]) -> Contender:
    details: Mapping[str, Any] = records[-1].details
    known = [found for record in records if (found := answers_of(record)) is not None]
    is_known = len(known) == len(records) and all(known[0].is_paired_with(one) for one in known)
    return Contender(
        shares=tuple(float(record.metrics["top1"]) for record in records),
        examples=details["n_test"],
        answers=tuple(known) if is_known else (),
        chance=float(details.get("chance", 0.0)),
        is_trained=records[-1].setting.get("recipe") != PRETRAINED,
    )
