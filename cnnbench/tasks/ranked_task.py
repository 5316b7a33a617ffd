"""Base of tasks that rank networks by a quality metric over seeds and images, from records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean

from cnnbench.metrics import METRICS
from cnnbench.statistics import proportions
from cnnbench.statistics.verdict import NOT_ABOVE_CHANCE, NOT_REPEATED
from cnnbench.tasks.image_scores import examples_of
from cnnbench.tasks.ranking import Quality, behind, places
from cnnbench.tasks.task import Contender, Evaluated, Judgement, Place, Task, quality_metrics


class RankedTask(Task):
    """A task with metrics whose intervals cover the choice of images (`Metric.is_of_images`).

    ``Evaluation.details`` has ``n_test``, the number of test images; ``chance``, the value of
    `Task.primary` for a constant prediction; and ``chances``, those of other metrics by name.
    """

    def quality(
        self, metric: str, known: Sequence[Evaluated], last: Evaluated, is_trained: bool
    ) -> Quality | None:
        """Return a metric over seeds and images; None if the records do not determine its error.

        Args:
            metric: name of the metric.
            known: evaluations that have it, one per seed.
            last: the evaluation from which number of images and chance are taken.
            is_trained: the value depends on the seed.
        """

    @property
    def judged(self) -> Sequence[str]:
        """The metrics that are meaningless if `primary` is not above chance."""
        return [found.metric.name for found in quality_metrics(self.name)]

    def judge(self, contender: Contender) -> Mapping[str, Judgement]:
        """Return an interval and a verdict for every metric whose error is known.

        If `primary` is not above chance, the other metrics get the same verdict: calibration and
        top-5 of a network that has learnt nothing are meaningless.
        """
        found: dict[str, Judgement] = {}
        for name in dict.fromkeys(name for one in contender.evaluations for name in one.metrics):
            if name in METRICS and METRICS[name].is_of_images:
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
        is_trained = contender.is_trained
        mean = fmean(one.metrics[metric] for one in known) if is_trained else None
        last, seeds = contender.evaluations[-1], known if is_trained else known[:1]
        sample = self.quality(metric, seeds, last, is_trained) if examples_of(last) else None
        if sample is None:
            return Judgement(NOT_REPEATED, mean)
        interval = sample.interval
        verdict = proportions.verdict(
            interval, len(sample.means), sample.chance, has_seeds=is_trained
        )
        return Judgement(verdict, mean, interval.low, interval.high)

    def rank(self, contenders: Sequence[Contender]) -> Sequence[Place | None]:
        """Return the place of every contender whose `primary` is above chance; None for the others.

        None for all where fewer than two are above chance.
        """
        found: list[Place | None] = [None] * len(contenders)
        ranked: dict[int, Quality] = {}
        for index, one in enumerate(contenders):
            complete = [each for each in one.evaluations if self._is_complete(each)]
            if complete:
                quality = self.quality(self.primary, complete, complete[-1], one.is_trained)
                if quality is not None and quality.is_ranked:
                    ranked[index] = quality
        if len(ranked) > 1:
            for index, place in zip(ranked, places(list(ranked.values())), strict=True):
                found[index] = place
        return found

    def behind(
        self, metric: str, best: int, contenders: Sequence[Contender]
    ) -> Sequence[float] | None:
        found: dict[int, Quality] = {}
        for index, one in enumerate(contenders):
            known = [each for each in one.evaluations if each.metrics.get(metric) is not None]
            complete = [each for each in known if examples_of(each)]
            if METRICS[metric].is_of_images and complete:
                quality = self.quality(metric, complete, complete[-1], one.is_trained)
                if quality is not None:
                    found[index] = quality
        if best not in found:
            return None
        places = list(found)
        p_values = behind(places.index(best), list(found.values()))
        by_place = dict(zip(places, p_values, strict=True))
        return [by_place.get(index, 1.0) for index in range(len(contenders))]

    def _is_complete(self, evaluation: Evaluated) -> bool:
        return bool(examples_of(evaluation)) and evaluation.metrics.get(self.primary) is not None

    def chance(self, evaluation: Evaluated, metric: str) -> float:
        """Return the value of a metric for a constant prediction; 0 if it is not recorded."""
        if metric == self.primary:
            return float(evaluation.details.get("chance", 0.0))
        chances = evaluation.details.get("chances")
        found = chances.get(metric, 0.0) if isinstance(chances, Mapping) else 0.0
        return float(found) if isinstance(found, int | float) else 0.0
