"""Classification: one class per image, evaluated by the share of right answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from cnnbench.models.handle import ModelHandle, ModelInfo
from cnnbench.schema import ONLY_TRAINS, StrictModel
from cnnbench.tasks.image_scores import ImageScores
from cnnbench.tasks.objective import single
from cnnbench.tasks.scored_task import RankedByScores
from cnnbench.tasks.task import Arrays, Evaluated, Objective, Prediction, TrainedOn


class ClassificationOptions(StrictModel):
    """Settings of a training that only this task has.

    Attributes:
        class_weights: ``balanced`` multiplies the loss of an image by the number of images divided
            by that of its class and by the number of classes.
        oversample: repeat images of rarer classes until each class has as many in an epoch as the
            most frequent one.
    """

    class_weights: Annotated[Literal["none", "balanced"], ONLY_TRAINS] = "none"
    oversample: Annotated[bool, Field(strict=True), ONLY_TRAINS] = False

    @model_validator(mode="after")
    def _balances_once(self) -> Self:
        if self.oversample and self.class_weights != "none":
            raise ValueError("class_weights and oversample both balance the classes: set one")
        return self


class Classification(RankedByScores):
    """The task `classification`."""

    name = "classification"
    primary = "top1"
    watched = "top1"
    predicted = "classes"

    @property
    def options(self) -> type[StrictModel]:
        """`ClassificationOptions`."""
        return ClassificationOptions

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

        return ClassificationObjective(classes, dataset, options)

    def fixed_objective(
        self,
        classes: Sequence[str],
        dataset: str,
        model: ModelHandle,
        trained_on: TrainedOn,
        options: Any = None,
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

    def scores(self, evaluation: Evaluated, metric: str) -> ImageScores | None:
        """Return which images were right; None if the record does not have all of them."""
        from cnnbench.tasks.classification.quality import answers_of

        return answers_of(evaluation) if metric == self.primary else None


CLASSIFICATION = Classification()
