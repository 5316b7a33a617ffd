"""Significance tests between networks, over seeds and images.

Two networks that were evaluated on the same images are compared image by image, so that the
difficulty of an image cancels.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, pairwise
from statistics import fmean, variance

import numpy as np

from cnnbench.statistics import estimates, proportions
from cnnbench.statistics.estimates import Estimate
from cnnbench.statistics.robust import CONFIDENCE
from cnnbench.tasks.image_scores import ImageScores
from cnnbench.tasks.task import Place
from cnnbench.text import plural

_MOST_SEEDS = 50  # beyond that a longer schedule is cheaper


class Quality(ABC):
    """Quality of one network under one schedule, over seeds and images.

    Attributes:
        means: the quality on all images, one per seed.
        examples: number of test images.
        chance: the quality of a constant prediction.
        is_trained: means depend on the seed; otherwise only the images are a sample.
    """

    means: tuple[float, ...]
    examples: int
    chance: float
    is_trained: bool

    @property
    def mean(self) -> float:
        return fmean(self.means)

    @property
    def of_seeds(self) -> float:
        """Variance between its seeds; 0 for one seed."""
        return variance(self.means) if len(self.means) > 1 else 0.0

    @property
    @abstractmethod
    def image_variance(self) -> float:
        """Variance of the mean that is due to the choice of images."""

    @abstractmethod
    def image_variance_beside(self, other: Quality) -> float | None:
        """Variance of the difference to another mean that is due to the choice of images.

        None if the two are not known for the same images.
        """

    @property
    @abstractmethod
    def interval(self) -> Estimate:
        """The mean with its 95 % interval."""

    @property
    def is_ranked(self) -> bool:
        """True where its interval excludes chance."""
        return self.interval.low > self.chance


@dataclass(frozen=True)
class Scores(Quality):
    """Mean scores of one network under one schedule.

    Attributes:
        means: the mean score of all images, one per seed.
        examples: number of test images.
        by_image: scores of every seed, of the same images; empty if unknown.
        chance: the mean score of a constant prediction.
        is_trained: means depend on the seed; otherwise only the images are a sample.
    """

    means: tuple[float, ...]
    examples: int
    by_image: tuple[ImageScores, ...] = ()
    chance: float = 0.0
    is_trained: bool = True

    @property
    def sums_by_image(self) -> np.ndarray:
        """``(examples,)`` of int64: the sum of the scores of each image over the seeds."""
        return np.asarray(np.sum([one.values for one in self.by_image], axis=0, dtype=np.int64))

    @cached_property
    def spread(self) -> float | None:
        """Variance between images of their mean scores; None for right and wrong, and if unknown.

        It then is at most ``p (1 - p)``, which is that of right and wrong answers.
        """
        if not self.by_image or self.by_image[0].scale == 1:
            return None
        return _variance(self.sums_by_image, len(self.by_image) * self.by_image[0].scale)

    @property
    def of_images(self) -> float:
        """Variance between images."""
        return self.mean * (1 - self.mean) if self.spread is None else self.spread

    @property
    def image_variance(self) -> float:
        return self.of_images / self.examples

    def image_variance_beside(self, other: Quality) -> float | None:
        """Variance of the difference, from the differences per image.

        It includes some noise of the seeds, so that the error is rather too large.
        """
        if not isinstance(other, Scores) or not (self.by_image and other.by_image):
            return None
        if not self.by_image[0].is_paired_with(other.by_image[0]):
            return None
        return _variance_of_paired(self, other) / self.examples

    @property
    def interval(self) -> Estimate:
        return proportions.estimate(self.means, self.examples, self.spread)


def places(contenders: Sequence[Quality]) -> list[Place]:
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


def behind(best: int, contenders: Sequence[Quality]) -> list[float]:
    """Return p, Holm-corrected over all pairs, that each is only by chance worse than the best.

    1 for the best itself and for those that are not worse. All pairs are one family, as the best is
    known from the same numbers. A network with one seed is assumed to vary between seeds as the
    others do (the pooled variance); p is 1 for all while no network has two.
    """
    field = _Field(contenders)
    pairs = list(combinations(range(len(contenders)), 2))
    p_values = estimates.holm([field.difference(a, b).p() for a, b in pairs])
    found = [1.0] * len(contenders)
    for pair, p in zip(pairs, p_values, strict=True):
        if best in pair:
            other = sum(pair) - best
            if contenders[other].mean < contenders[best].mean:
                found[other] = p
    return found


@dataclass(frozen=True)
class _Field:
    """All contenders under one schedule, with a pooled variance between seeds.

    A few seeds estimate the variance of one network poorly, so it is pooled over all networks
    (one-way analysis of variance); a network that varies more keeps its own.
    """

    contenders: Sequence[Quality]

    @cached_property
    def freedom(self) -> float:
        """Degrees of freedom of the pooled variance; infinite if no network was trained."""
        if not any(one.is_trained for one in self.contenders):
            return math.inf
        return sum(len(one.means) - 1 for one in self.contenders)

    @cached_property
    def pooled(self) -> float:
        squares = math.fsum((len(c.means) - 1) * c.of_seeds for c in self.contenders)
        return squares / self.freedom if self.freedom else math.nan

    def difference(self, a: int, b: int) -> _Difference:
        """Contender ``a`` minus ``b``, on the same images where possible."""
        one, other = self.contenders[a], self.contenders[b]
        of_images = one.image_variance_beside(other)
        if of_images is None:
            of_images = one.image_variance + other.image_variance
        of_seeds = [max(self.pooled, c.of_seeds) for c in (one, other)]
        seeds = [len(c.means) for c in (one, other)]
        return _Difference(self, one.mean - other.mean, of_images, of_seeds, seeds)


def _variance_of_paired(one: Scores, other: Scores) -> float:
    """Return the variance over the images of the difference of two contenders' mean scores.

    Over the common denominator all scores are whole numbers, whose sums are exact.
    """
    seeds, others = len(one.by_image), len(other.by_image)
    differences = others * one.sums_by_image - seeds * other.sums_by_image
    return _variance(differences, seeds * others * one.by_image[0].scale)


def _variance(values: np.ndarray, denominator: int) -> float:
    """Return the sample variance of ``values / denominator``, from exact sums of whole numbers."""
    count, total, squares = len(values), int(values.sum()), int((values**2).sum())
    return (count * squares - total**2) / (count * max(count - 1, 1) * denominator**2)


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
