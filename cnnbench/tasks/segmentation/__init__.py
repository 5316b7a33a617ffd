"""Semantic segmentation: the class of every pixel, evaluated by the IoU of the classes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from cnnbench.data.annotations import Kind
from cnnbench.data.pictures import Fit
from cnnbench.models.handle import ModelHandle, ModelInfo
from cnnbench.schema import ONLY_TRAINS, StrictModel
from cnnbench.tasks.resampled_task import RankedByResamples
from cnnbench.tasks.task import Arrays, Objective, Prediction, Shape, TrainedOn
from cnnbench.text import plural

BACKGROUND = "background"
"""Name of the first class of a network: pixels of no class of the data set."""

Weights = Literal["none", "balanced"] | tuple[float, ...]


def _weights(given: Any) -> Any:
    """Check the weights of the classes.

    Raises:
        ValueError: neither a known word nor numbers of 0 or more of which one is above 0.
    """
    if given in ("none", "balanced"):
        return given
    numbers = given if isinstance(given, list | tuple) else ()
    are_weights = all(
        isinstance(one, int | float) and not isinstance(one, bool) and 0 <= one < math.inf
        for one in numbers
    )
    if not are_weights or not any(numbers):
        raise ValueError(
            "expected none, balanced, or a weight for each class, the background first, for "
            f"example [0.5, 1, 1], not {given!r}"
        )
    return tuple(float(one) for one in numbers)


def _ignored(given: Any) -> Any:
    """Check names or numbers of classes.

    Raises:
        ValueError: not a list of names and of numbers from 0.
    """
    found = given if isinstance(given, list | tuple) else [given]
    are_classes = all(
        (isinstance(one, str) and one)
        or (isinstance(one, int) and not isinstance(one, bool) and one >= 0)
        for one in found
    )
    if not are_classes or len(set(found)) < len(found):
        raise ValueError(
            "expected different classes by name or by number, 0 for the background, for example "
            f"[background], not {given!r}"
        )
    return tuple(found)


class SegmentationOptions(StrictModel):
    """Settings of a training that only this task has.

    Attributes:
        ignored_classes: classes, by name or by number (0 is the background), whose pixels are
            neither learnt nor judged, like those marked 255.
        class_weights: weights of the classes in the cross-entropy: ``none``; ``balanced``, by which
            all classes in a batch have the same weight in total; or one number for each class, the
            background first.
        dice_weight: weight of the Dice loss (arXiv:1606.04797), which is added to the
            cross-entropy.
    """

    ignored_classes: Annotated[tuple[str | int, ...], BeforeValidator(_ignored)] = ()
    class_weights: Annotated[Weights, BeforeValidator(_weights), ONLY_TRAINS] = "none"
    dice_weight: Annotated[float, Field(ge=0, le=1000), ONLY_TRAINS] = 1.0


class Segmentation(RankedByResamples):
    """The task `segmentation` (Géron, 3rd ed., ch. 14, "Semantic Segmentation")."""

    name = "segmentation"
    needs: frozenset[Kind] = frozenset({"semantic"})
    primary = "segmentation_miou"
    watched = "segmentation_miou"
    early_stop_metric = "segmentation_miou"
    predicted = "segments"
    most_shown = 255  # a picture without some of its classes would be misread
    fit: Fit = "stretch"
    options = SegmentationOptions
    postprocessing = "argmax"
    answer = "mask"
    identity = "test_pixels_sha256"

    def paths(self, outputs: Mapping[str, Shape], wanted: str | None, label: str) -> str:
        """Return the path of the maps of scores, the wanted or the first output."""
        from cnnbench.tasks.segmentation.outputs import path

        return path(outputs, wanted, label)

    def decode(
        self, outputs: Arrays, network: Any, names: Sequence[str], top: int
    ) -> list[list[Prediction]]:
        """Return the classes in each image, those with most pixels first, the background last."""
        from cnnbench.tasks.segmentation.outputs import decode

        return decode(outputs, network, names, top)

    def objective(self, classes: Sequence[str], dataset: str, options: Any = None) -> Objective:
        """Return the objective for the data set's classes and the background."""
        from cnnbench.tasks.segmentation.objective import SegmentationObjective

        return SegmentationObjective(classes, dataset, options or SegmentationOptions())

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
        from cnnbench.tasks.segmentation.fixed import FixedObjective, outputs_of

        found = outputs_of(classes, model, dataset, trained_on)
        return FixedObjective(classes, dataset, options or SegmentationOptions(), found)

    def network_classes(self, classes: Sequence[str]) -> Sequence[str]:
        """Return the background and the classes of the data set."""
        return (BACKGROUND, *classes)

    def refusal(self, model: ModelInfo, classes: int) -> str:
        """Return the reason if the model's name, or its file, is for other classes."""
        is_settled = "classes" in model.stated or ("classes" in model.fixed and model.classes)
        if not is_settled or not classes or fits(model.classes, classes):
            return ""
        return (
            f"has {plural(model.classes, 'channel')}, but the data set needs {classes + 1}: the "
            f"background and {plural(classes, 'class', 'classes')}"
        )


def fits(channels: int, classes: int) -> bool:
    """Return whether maps with so many channels tell classes and the background apart.

    A single channel is the score of a single class.
    """
    return channels == classes + 1 or (channels, classes) == (1, 1)


SEGMENTATION = Segmentation()
