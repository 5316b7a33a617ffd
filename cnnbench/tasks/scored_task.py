"""Base of tasks with metrics that are means over the test images of a score in 0..1.

A score is 1 or 0 for a right or wrong class, or the overlap of two boxes. Intervals, tiers and
gains of all such tasks are computed here, from records.
"""

from __future__ import annotations

from collections.abc import Sequence

from cnnbench.statistics import proportions
from cnnbench.statistics.estimates import Estimate
from cnnbench.tasks.image_scores import ImageScores, examples_of
from cnnbench.tasks.ranked_task import RankedTask
from cnnbench.tasks.ranking import Scores
from cnnbench.tasks.task import Evaluated


class RankedByScores(RankedTask):
    """A task whose metrics are means of scores of the test images."""

    def scores(self, evaluation: Evaluated, metric: str) -> ImageScores | None:
        """Return the scores of every image; None if the record does not have them."""
        return None

    def gain(self, base: Evaluated, new: Evaluated) -> tuple[Estimate, int] | None:
        """Return the gain in `primary` from scores of the same images; None if unknown."""
        before, after = (self.scores(one, self.primary) for one in (base, new))
        if before is None or after is None or not after.is_paired_with(before):
            return None
        found = proportions.gain(before.values, after.values, after.scale)
        return found, len(after.values)

    def quality(
        self, metric: str, known: Sequence[Evaluated], last: Evaluated, is_trained: bool
    ) -> Scores:
        """Return the scores in evaluations that have this metric."""
        by_image = [found for one in known if (found := self.scores(one, metric)) is not None]
        is_known = len(by_image) == len(known) and all(map(by_image[0].is_paired_with, by_image))
        return Scores(
            means=tuple(float(one.metrics[metric]) for one in known),
            examples=examples_of(last),
            by_image=tuple(by_image) if is_known else (),
            chance=self.chance(last, metric),
            is_trained=is_trained,
        )
