"""A task whose metrics are means over the test images of a score in 0..1 each.

A score is 1 or 0 for a right or wrong class, or the overlap of two boxes. Intervals, tiers and
gains of all such tasks are computed here, from records.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean

from cnnbench.metrics import METRICS
from cnnbench.statistics import proportions
from cnnbench.statistics.estimates import Estimate
from cnnbench.statistics.verdict import NOT_ABOVE_CHANCE, NOT_REPEATED
from cnnbench.tasks.image_scores import ImageScores, examples_of
from cnnbench.tasks.ranking import Scores, places
from cnnbench.tasks.task import Contender, Evaluated, Judgement, Place, Task, quality_metrics


class RankedByScores(Task):
    """A task whose metrics are means of scores of the test images.

    ``Evaluation.details`` has ``n_test``, the number of test images; ``chance``, the mean score of
    `Task.primary` without looking at the images; and ``chances``, that of other metrics by name.
    """

    def scores(self, evaluation: Evaluated, metric: str) -> ImageScores | None:
        """Return the scores of every image; None if the record does not have them."""
        return None

    @property
    def judged(self) -> Sequence[str]:
        """The metrics that mean nothing where `primary` is not above chance."""
        return [found.metric.name for found in quality_metrics(self.name)]

    def gain(self, base: Evaluated, new: Evaluated) -> tuple[Estimate, int] | None:
        """Return the gain in `primary` from scores of the same images; None if unknown."""
        before, after = (self.scores(one, self.primary) for one in (base, new))
        if before is None or after is None or not after.is_paired_with(before):
            return None
        found = proportions.gain(before.values, after.values, after.scale)
        return found, len(after.values)

    def judge(self, contender: Contender) -> Mapping[str, Judgement]:
        """Return an interval and a verdict for every mean over the test images.

        If `primary` is not above chance, the other metrics get the same verdict: calibration and
        top-5 of a network that has learnt nothing mean nothing.
        """
        found: dict[str, Judgement] = {}
        for name in dict.fromkeys(name for one in contender.evaluations for name in one.metrics):
            if name in METRICS and METRICS[name].is_share:
                known = [one for one in contender.evaluations if one.metrics.get(name) is not None]
                if known:
                    found[name] = self._judgement(contender, known, name)
        if self.primary in found and found[self.primary].verdict == NOT_ABOVE_CHANCE:
            for name in self.judged:
                plain = found.get(name, Judgement(NOT_REPEATED))
                found[name] = replace(plain, verdict=NOT_ABOVE_CHANCE)
        return found

    def _judgement(
        self, contender: Contender, known: Sequence[Evaluated], metric: str
    ) -> Judgement:
        mean = fmean(one.metrics[metric] for one in known) if contender.is_trained else None
        last = contender.evaluations[-1]
        if not examples_of(last):
            return Judgement(NOT_REPEATED, mean)
        sample = self._scored(metric, known if contender.is_trained else known[:1], last)
        interval, seeds = sample.interval, len(sample.means)
        chance, has_seeds = sample.chance, contender.is_trained
        verdict = proportions.verdict(interval, seeds, chance, has_seeds=has_seeds)
        return Judgement(verdict, mean, interval.low, interval.high)

    def rank(self, contenders: Sequence[Contender]) -> Sequence[Place | None]:
        """Return the place of every contender whose `primary` is above chance; None for the others.

        None for all where fewer than two are above chance.
        """
        found: list[Place | None] = [None] * len(contenders)
        ranked: dict[int, Scores] = {}
        for index, contender in enumerate(contenders):
            complete = [one for one in contender.evaluations if self._is_complete(one)]
            if complete:
                scored = self._scored(self.primary, complete, complete[-1])
                scored = replace(scored, is_trained=contender.is_trained)
                if scored.is_ranked:
                    ranked[index] = scored
        if len(ranked) > 1:
            for index, place in zip(ranked, places(list(ranked.values())), strict=True):
                found[index] = place
        return found

    def _is_complete(self, evaluation: Evaluated) -> bool:
        return bool(examples_of(evaluation)) and evaluation.metrics.get(self.primary) is not None

    def _scored(self, metric: str, known: Sequence[Evaluated], last: Evaluated) -> Scores:
        """Return the scores in evaluations that have this metric; ``last`` has the other facts."""
        by_image = [found for one in known if (found := self.scores(one, metric)) is not None]
        is_known = len(by_image) == len(known) and all(map(by_image[0].is_paired_with, by_image))
        return Scores(
            means=tuple(float(one.metrics[metric]) for one in known),
            examples=examples_of(last),
            by_image=tuple(by_image) if is_known else (),
            chance=self._chance(last, metric),
        )

    def _chance(self, evaluation: Evaluated, metric: str) -> float:
        if metric == self.primary:
            return float(evaluation.details.get("chance", 0.0))
        chances = evaluation.details.get("chances")
        found = chances.get(metric, 0.0) if isinstance(chances, Mapping) else 0.0
        return float(found) if isinstance(found, int | float) else 0.0
