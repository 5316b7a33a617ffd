"""Base of tasks with metrics of the whole test set, such as average precision.

Such a metric is not a mean over the images, so its error is estimated by the bootstrap: a record
has its value on resamples of the images, the same resamples for every network that was evaluated on
the same images. Two networks are compared resample by resample, so that the difficulty of an image
cancels. Intervals, tiers and gains are computed here, from records.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cnnbench.statistics.estimates import Estimate
from cnnbench.statistics.robust import Z, t_quantile
from cnnbench.tasks.image_scores import examples_of
from cnnbench.tasks.ranked_task import RankedTask
from cnnbench.tasks.ranking import Quality
from cnnbench.tasks.task import Evaluated

STEPS = 1_000_000
"""Integer that stands for 1 in a record: values on resamples are integers, whose sums are exact."""

_FEWEST = 50  # resamples needed to estimate a variance
_MOST = 10_000


@dataclass(frozen=True)
class Replicates:
    """Values of one metric on resamples of the test images.

    Attributes:
        values: integers in units of 1 / `STEPS`, ``(resamples,)``.
        images: hash of the test targets; empty if the record has none.
    """

    values: npt.NDArray[np.int64]
    images: str

    def is_paired_with(self, other: Replicates) -> bool:
        """Return whether both are of the same resamples of the same images."""
        ours, theirs = ((one.images, len(one.values)) for one in (self, other))
        return bool(self.images) and ours == theirs


@dataclass(frozen=True)
class Resampled(Quality):
    """A metric of one network under one schedule.

    Attributes:
        means: the metric on all images, one per seed.
        examples: number of test images.
        replicates: one per seed, all of the same images.
        chance: the metric of a constant prediction for all images.
        is_trained: the metric depends on the seed; otherwise only the images are a sample.
    """

    means: tuple[float, ...]
    examples: int
    replicates: tuple[Replicates, ...]
    chance: float = 0.0
    is_trained: bool = True

    @property
    def sums(self) -> npt.NDArray[np.int64]:
        """The sum over the seeds on each resample, ``(resamples,)``."""
        return np.asarray(np.sum([one.values for one in self.replicates], axis=0), np.int64)

    @property
    def image_variance(self) -> float:
        return _variance(self.sums, len(self.replicates) * STEPS)

    def image_variance_beside(self, other: Quality) -> float | None:
        """Variance of the difference over the resamples, without the variance between seeds."""
        if not isinstance(other, Resampled):
            return None
        if not self.replicates[0].is_paired_with(other.replicates[0]):
            return None
        seeds, others = len(self.replicates), len(other.replicates)
        return _variance(others * self.sums - seeds * other.sums, seeds * others * STEPS)

    @property
    def interval(self) -> Estimate:
        """The mean with its 95 % interval.

        The error from the choice of images is common to all seeds: the variance is ``s² / k`` plus
        that over the resamples, with Welch's degrees of freedom (Satterthwaite 1946). With one seed
        the interval covers the choice of images alone.
        """
        count = len(self.means)
        of_seeds = self.of_seeds / count
        total = of_seeds + self.image_variance
        freedom = (count - 1) * (total / of_seeds) ** 2 if of_seeds > 0 else math.inf
        half = (float(t_quantile(freedom)) if freedom < 1e6 else Z) * math.sqrt(total)
        low, high = (round(self.mean + side, 12) for side in (-half, half))
        return Estimate(self.mean, max(low, 0.0), min(high, 1.0))


class RankedByResamples(RankedTask):
    """A task with metrics of the whole test set.

    ``Evaluation.details`` has ``replicates``: metric -> its value on each resample, integers in
    units of 1 / `STEPS`; and the hash of the test targets under the key `identity`.
    """

    identity = "test_objects_sha256"

    def replicates(self, evaluation: Evaluated, metric: str) -> Replicates | None:
        """Return the values on the resamples; None if the record has none, or invalid ones."""
        stored = evaluation.details.get("replicates")
        values = stored.get(metric) if isinstance(stored, Mapping) else None
        if not _are_values(values):
            return None
        images = str(evaluation.details.get(self.identity, ""))
        return Replicates(np.asarray(values, np.int64), images)

    def quality(
        self, metric: str, known: Sequence[Evaluated], last: Evaluated, is_trained: bool
    ) -> Resampled | None:
        """Return the metric with its resamples; None if they are not in all of the records."""
        found = [one for each in known if (one := self.replicates(each, metric)) is not None]
        if len(found) != len(known) or not all(map(found[0].is_paired_with, found)):
            return None
        return Resampled(
            means=tuple(float(one.metrics[metric]) for one in known),
            examples=examples_of(last),
            replicates=tuple(found),
            chance=self.chance(last, metric),
            is_trained=is_trained,
        )

    def gain(self, base: Evaluated, new: Evaluated) -> tuple[Estimate, int] | None:
        """Return the gain in `primary` with its 95 % interval over the images; None if unknown.

        As in `proportions.gain`, two images are added, one that only ``base`` and one that only
        ``new`` gets right, so that equal answers on few images have an interval too.
        """
        before, after = (self.replicates(one, self.primary) for one in (base, new))
        values = [one.metrics.get(self.primary) for one in (base, new)]
        if before is None or after is None or not after.is_paired_with(before):
            return None
        if values[0] is None or values[1] is None:
            return None
        of_images = _variance(after.values - before.values, STEPS)
        examples = examples_of(new)
        half = Z * math.sqrt(of_images + 2 / (examples + 2) ** 2)
        rise = values[1] - values[0]
        return Estimate(rise, rise - half, rise + half), examples


def _are_values(values: Any) -> bool:
    return (
        isinstance(values, list)
        and _FEWEST <= len(values) <= _MOST
        and all(type(one) is int and 0 <= one <= STEPS for one in values)
    )


def _variance(values: npt.NDArray[np.int64], denominator: int) -> float:
    """Return the sample variance of ``values / denominator``, from exact sums of whole numbers."""
    found = values.tolist()
    count, total, squares = len(found), sum(found), sum(one * one for one in found)
    return (count * squares - total**2) / (count * (count - 1) * denominator**2)
