"""Localization: one class and one box per image, evaluated by the overlap of the boxes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from cnnbench.data.annotations import Kind
from cnnbench.data.pictures import Fit
from cnnbench.models.handle import ModelHandle, ModelInfo
from cnnbench.schema import StrictModel
from cnnbench.tasks.classification import CLASSIFICATION
from cnnbench.tasks.image_scores import ImageScores
from cnnbench.tasks.scored_task import RankedByScores
from cnnbench.tasks.task import (
    Arrays,
    Evaluated,
    Objective,
    Prediction,
    Shape,
    TrainedOn,
    too_few_classes,
)


def _two_weights(given: Any) -> Any:
    """Check the weights of class and box.

    Raises:
        ValueError: not two numbers of 0 or more, of which one is above 0.
    """
    numbers = given if isinstance(given, list | tuple) else ()
    are_weights = len(numbers) == 2 and all(
        isinstance(one, int | float) and not isinstance(one, bool) and 0 <= one < math.inf
        for one in numbers
    )
    if not are_weights or not any(numbers):
        raise ValueError(
            f"expected the weights of class and box, two numbers of 0 or more of which one is "
            f"above 0, for example [1, 10], not {given!r}"
        )
    return tuple(float(one) for one in numbers)


class LocalizationOptions(StrictModel):
    """Settings of a training that only this task has.

    Attributes:
        sqrt: compare the square roots of width and height, so that an error of a small box has more
            weight than the same error of a large one; otherwise width and height.
        loss_weights: weights of class and box in the sum of the losses. The squared error of a box
            in 0..1 is small: with the chapter's 0.8 and 0.2, boxes are hardly learnt.
    """

    sqrt: Annotated[bool, Field(strict=True)] = True
    loss_weights: Annotated[tuple[float, float], BeforeValidator(_two_weights)] = (1.0, 10.0)


class Localization(RankedByScores):
    """The task `localization` (Géron, 3rd ed., ch. 14, "Classification and Localization")."""

    name = "localization"
    needs: frozenset[Kind] = frozenset({"boxes"})
    primary = "mean_iou"
    watched = "mean_iou"
    predicted = "objects"
    answer = "box"
    fit: Fit = "stretch"
    options = LocalizationOptions

    def paths(self, outputs: Mapping[str, Shape], wanted: str | None, label: str) -> dict[str, str]:
        """Return the paths of the boxes and the classes, found by name or by width."""
        from cnnbench.tasks.localization.outputs import paths

        return paths(outputs, wanted, label)

    def decode(
        self, outputs: Arrays, network: Any, names: Sequence[str], top: int
    ) -> list[list[Prediction]]:
        """Return the most probable classes of each image, each with the one box."""
        from cnnbench.tasks.localization.outputs import decode

        return decode(outputs, network, names, top)

    def objective(self, classes: Sequence[str], dataset: str, options: Any = None) -> Objective:
        """Return the objective for the data set's classes."""
        from cnnbench.tasks.localization.objective import LocalizationObjective

        return LocalizationObjective(classes, dataset, options or LocalizationOptions())

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
        from cnnbench.tasks.localization.objective import FixedObjective

        found = outputs_of(tuple(classes), model, dataset, trained_on)
        return FixedObjective(classes, dataset, options or LocalizationOptions(), found)

    def plan_remark(self, model: ModelInfo, classes: int) -> str:
        """Return a remark if the model's name states another number of classes."""
        return CLASSIFICATION.plan_remark(model, classes)

    def refusal(self, model: ModelInfo, classes: int) -> str:
        """Return the reason if the head in the model's name is for fewer classes."""
        return too_few_classes(model, classes)

    def scores(self, evaluation: Evaluated, metric: str) -> ImageScores | None:
        """Return the IoU of every image, or a mask of the images that were right."""
        from cnnbench.tasks.localization.quality import scores_of

        return scores_of(evaluation, metric)


LOCALIZATION = Localization()
