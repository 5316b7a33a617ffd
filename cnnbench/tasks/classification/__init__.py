"""Classification: one class per image, evaluated by the share of right answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cnnbench.models.handle import ModelHandle, ModelInfo
from cnnbench.statistics import proportions
from cnnbench.statistics.estimates import Estimate
from cnnbench.tasks.objective import single
from cnnbench.tasks.task import (
    Arrays,
    Contender,
    Evaluated,
    Judgement,
    Objective,
    Place,
    Prediction,
    Task,
    TrainedOn,
)


class Classification(Task):
    """The task `classification`."""

    name = "classification"
    primary = "top1"
    watched = "top1"
    predicted = "classes"

    def decode(
        self, outputs: Arrays, network: Any, names: Sequence[str], top: int
    ) -> list[list[Prediction]]:
        """Return the most probable classes of each image."""
        from cnnbench.tasks.classification.outputs import decode

        return decode(single(outputs), network, names, top)

    def published_names(self, model: ModelHandle, outputs: Arrays) -> Sequence[str]:
        """Return ImageNet's names for the thousand classes of published weights."""
        from cnnbench.tasks.classification.class_names import imagenet_ids, imagenet_names

        # A network in a file may have a thousand classes other than ImageNet's.
        is_published = not model.is_trained and single(outputs).shape[-1] == len(imagenet_ids())
        return imagenet_names() if is_published else ()

    def objective(self, classes: Sequence[str], dataset: str, options: Any = None) -> Objective:
        """Return the objective for the data set's classes."""
        from cnnbench.tasks.classification.objective import ClassificationObjective

        return ClassificationObjective(classes, dataset)

    def fixed_objective(
        self, classes: Sequence[str], dataset: str, model: ModelHandle, trained_on: TrainedOn
    ) -> Objective:
        """Return the objective of a trained model, its outputs matched to the classes by name.

        Raises:
            JobFailed: a class is unknown to the model, or their numbers differ.
        """
        from cnnbench.tasks.classification.class_names import outputs_of
        from cnnbench.tasks.classification.objective import FixedObjective

        found = outputs_of(tuple(classes), model, dataset, trained_on)
        return FixedObjective(classes, dataset, found)

    def plan_remark(self, model: ModelInfo, classes: int) -> str:
        """Return a remark if the model's name states another number of classes."""
        if "classes" not in model.stated or classes in (0, model.classes):
            return ""
        return f"is trained for the data set's {classes} classes"

    def gain(self, base: Evaluated, new: Evaluated) -> tuple[Estimate, int] | None:
        """Return the gain in top-1 from answers to the same images; None if they are unknown."""
        from cnnbench.tasks.classification.quality import answers_of

        before, after = answers_of(base), answers_of(new)
        if before is None or after is None or not after.is_paired_with(before):
            return None
        return proportions.gain(before.right, after.right), len(after.right)

    def judge(self, contender: Contender) -> Mapping[str, Judgement]:
        """Return intervals of all shares of the test images, with a verdict each."""
        from cnnbench.tasks.classification.ranking import judge

        return judge(contender)

    def rank(self, contenders: Sequence[Contender]) -> Sequence[Place | None]:
        """Return tiers by top-1, compared image by image; None if not better than chance."""
        from cnnbench.tasks.classification.ranking import rank

        return rank(contenders)


CLASSIFICATION = Classification()
