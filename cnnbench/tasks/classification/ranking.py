"""Intervals of classifiers' accuracies, and significance tests between classifiers.

Two networks that were evaluated on the same images are compared image by image, so that the
difficulty of an image cancels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations, pairwise
from statistics import fmean, variance

import numpy as np

from cnnbench.metrics import METRICS
from cnnbench.statistics import estimates, proportions
from cnnbench.statistics.robust import CONFIDENCE
from cnnbench.statistics.verdict import NOT_ABOVE_CHANCE, NOT_REPEATED
from cnnbench.tasks import task
from cnnbench.tasks.classification.quality import Answers, answers_of
from cnnbench.tasks.task import Evaluated, Judgement, Place
from cnnbench.text import plural

_MOST_SEEDS = 50  # beyond that a longer schedule is cheaper


@dataclass(frozen=True)
class Scores:
    """Accuracies of one network under one schedule.

    Attributes:
        shares: shares of right answers, one per seed.
        examples: number of test images.
        answers: of every seed, to the same images; empty if unknown.
        chance: the share of the largest class.
        is_trained: shares depend on the seed; otherwise only the images are a sample.
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
        """Variance between its seeds; 0 for one seed."""
        return variance(self.shares) if len(self.shares) > 1 else 0.0

    @property
    def is_ranked(self) -> bool:
        """True where its interval excludes chance."""
        return proportions.estimate(self.shares, self.examples).low > self.chance


def judge(contender: task.Contender) -> dict[str, Judgement]:
    """Return an interval and a verdict for every share of the test images.

    If top-1 is not above chance, the other metrics get the same verdict: calibration and top-5 of
    a network that has learnt nothing mean nothing.
    """
    details = contender.evaluations[-1].details
    examples = _examples(contender.evaluations[-1])
    found: dict[str, Judgement] = {}
    for name, shares in _shares(contender).items():
        mean = fmean(shares) if contender.is_trained else None
        if not examples:
            found[name] = Judgement(NOT_REPEATED, mean)
            continue
        chance = details.get("chance", 0.0) if name == "top1" else 0.0
        sample = shares if contender.is_trained else shares[:1]
        interval = proportions.estimate(sample, examples)
        verdict = proportions.verdict(sample, examples, chance, has_seeds=contender.is_trained)
        found[name] = Judgement(verdict, mean, interval.low, interval.high)
    if "top1" in found and found["top1"].verdict == NOT_ABOVE_CHANCE:
        for metric in task.quality_metrics("classification"):
            plain = found.get(metric.metric.name, Judgement(NOT_REPEATED))
            found[metric.metric.name] = replace(plain, verdict=NOT_ABOVE_CHANCE)
    return found


def _shares(contender: task.Contender) -> dict[str, list[float]]:
    """Return metric -> one value per seed, for the metrics that are shares of the test images."""
    names = dict.fromkeys(name for one in contender.evaluations for name in one.metrics)
    return {
        name: values
        for name in names
        if name in METRICS
        and METRICS[name].is_share
        and (values := [v for e in contender.evaluations if (v := e.metrics.get(name)) is not None])
    }


def rank(contenders: Sequence[task.Contender]) -> list[Place | None]:
    """Return the place of every contender whose top-1 is above chance; None for the others.

    None for all where fewer than two are above chance.
    """
    known = {index: _scored(one) for index, one in enumerate(contenders)}
    ranked = {index: one for index, one in known.items() if one and one.is_ranked}
    found: list[Place | None] = [None] * len(contenders)
    if len(ranked) > 1:
        for index, place in zip(ranked, places(list(ranked.values())), strict=True):
            found[index] = place
    return found


def places(contenders: Sequence[Scores]) -> list[Place]:
    """Return the place of each, all above chance; those that do not differ share a tier.

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
    """All contenders under one schedule, with a pooled variance between seeds.

    A few seeds estimate the variance of one network poorly, so it is pooled over all networks
    (one-way analysis of variance); a network that varies more keeps its own.
    """

    contenders: Sequence[Scores]

    @cached_property
    def freedom(self) -> float:
        """Degrees of freedom of the pooled variance; infinite if no network was trained."""
        if not any(one.is_trained for one in self.contenders):
            return math.inf
        return sum(len(one.shares) - 1 for one in self.contenders)

    @cached_property
    def pooled(self) -> float:
        squares = math.fsum((len(c.shares) - 1) * c.of_seeds for c in self.contenders)
        return squares / self.freedom if self.freedom else math.nan

    def difference(self, a: int, b: int) -> _Difference:
        """Contender ``a`` minus ``b``.

        On the same images, the variance due to images is that of the differences per image. It
        includes some noise of the seeds, so that the error is rather too large.
        """
        one, other = self.contenders[a], self.contenders[b]
        if one.answers and other.answers and one.answers[0].is_paired_with(other.answers[0]):
            of_images = _variance_of_paired(one, other) / one.examples
        else:
            of_images = sum(c.mean * (1 - c.mean) / c.examples for c in (one, other))
        of_seeds = [max(self.pooled, c.of_seeds) for c in (one, other)]
        seeds = [len(c.shares) for c in (one, other)]
        return _Difference(self, one.mean - other.mean, of_images, of_seeds, seeds)


def _variance_of_paired(one: Scores, other: Scores) -> float:
    """Return the variance over the images of the difference of two contenders' accuracies.

    Over the common denominator all shares are whole numbers, whose sums are exact.
    """
    seeds, others = len(one.answers), len(other.answers)
    differences = others * one.right_by_image - seeds * other.right_by_image
    count, total, squares = len(differences), int(differences.sum()), int((differences**2).sum())
    return (count * squares - total**2) / (count * max(count - 1, 1) * (seeds * others) ** 2)


@dataclass(frozen=True)
class _Difference:
    """Difference of two means.

    Attributes:
        gap: one mean minus the other.
        of_images: variance from the choice of images, which more seeds do not reduce.
        of_seeds: variance between the seeds of each.
        seeds: number of seeds of each.
    """

    field: _Field
    gap: float
    of_images: float
    of_seeds: list[float]
    seeds: list[int]

    def p(self, more: int = 0) -> float:
        """Return the two-sided p-value with ``more`` seeds per network and all else equal.

        It is 1 if every network has a single seed, as the variance between seeds is unknown.
        """
        from scipy.special import stdtr

        freedom = self.field.freedom + more * len(self.field.contenders)
        if not self.field.freedom:
            return 1.0
        part = sum(v / (n + more) for v, n in zip(self.of_seeds, self.seeds, strict=True))
        error = math.sqrt(part + self.of_images)
        if not error:
            return 0.0 if self.gap else 1.0
        # Satterthwaite: the variance due to images counts as known.
        effective = min(freedom * ((part + self.of_images) / part) ** 2, 1e6) if part else 1e6
        return float(2 * stdtr(effective, -abs(self.gap) / error))

    def seeds_needed(self, alpha: float) -> int | None:
        """Return how many more seeds would make the gap significant; None if over `_MOST_SEEDS`."""
        return next((n for n in range(1, _MOST_SEEDS + 1) if self.p(n) < alpha), None)


def _open(field: _Field, tier: Sequence[int], number: int, pairs: int) -> str:
    """Return what would separate a tier, given its closest pair of neighbours."""
    if len(tier) < 2:
        return ""
    head = f"tier {number} is inconclusive"
    if not field.freedom:
        return f"{head}: at least 2 seeds are needed"
    differences = [field.difference(a, b) for a, b in pairwise(tier)]
    # Bonferroni's share of the error, a little stricter than Holm's.
    needed = [one.seeds_needed((1 - CONFIDENCE) / pairs) for one in differences]
    counts = [count for count in needed if count is not None]
    if len(counts) == len(needed):
        count = max(counts)
        return f"{head}: about {plural(count, 'more seed')} would separate its models"
    smallest = 100 * min(abs(one.gap) for one in differences)
    images = min(field.contenders[place].examples for place in tier)
    if math.isinf(field.freedom):
        return f"{head}: separating {smallest:.1f} % takes more than {images:,} test images"
    return (
        f"{head}: even {_MOST_SEEDS} more seeds would not separate them ({smallest:.1f} % apart on "
        f"{images:,} test images); train longer, for example twice the epochs"
    )


def _scored(contender: task.Contender) -> Scores | None:
    """Return the accuracies of a contender, from its complete evaluations; None without any."""
    complete = [one for one in contender.evaluations if _is_complete(one)]
    if not complete:
        return None
    details = complete[-1].details
    known = [found for one in complete if (found := answers_of(one)) is not None]
    is_known = len(known) == len(complete) and all(known[0].is_paired_with(one) for one in known)
    return Scores(
        shares=tuple(float(one.metrics["top1"]) for one in complete),
        examples=_examples(complete[-1]),
        answers=tuple(known) if is_known else (),
        chance=float(details.get("chance", 0.0)),
        is_trained=contender.is_trained,
    )


def _is_complete(evaluation: Evaluated) -> bool:
    return bool(_examples(evaluation)) and evaluation.metrics.get("top1") is not None


def _examples(evaluation: Evaluated) -> int:
    """Return the number of test images; 0 where the record, which may be edited, gives none."""
    examples = evaluation.details.get("n_test")
    return examples if isinstance(examples, int) and examples > 0 else 0
