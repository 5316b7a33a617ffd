"""Evaluation of a segmentation network that was trained elsewhere, its classes matched by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from cnnbench.models.handle import ModelHandle
from cnnbench.tasks.classification import class_names
from cnnbench.tasks.classification import outputs as of_classes
from cnnbench.tasks.classification.class_names import OutputsOf
from cnnbench.tasks.objective import single
from cnnbench.tasks.segmentation import BACKGROUND, SegmentationOptions
from cnnbench.tasks.segmentation.confusion import Maps
from cnnbench.tasks.segmentation.objective import SegmentationObjective
from cnnbench.tasks.task import Arrays, TrainedOn

if TYPE_CHECKING:
    from cnnbench.data.drawing import AnyMark

OTHER = 254
"""Class of a pixel that a network predicts as a class that the data set does not have."""

_GROUNDS = frozenset({"ground", "_background_", "__background__", "unlabeled", "unlabelled"})


def outputs_of(
    classes: Sequence[str], model: ModelHandle, dataset: str, trained_on: TrainedOn
) -> OutputsOf:
    """Find the channel of the background and of each class of a data set.

    Names of a network's classes may leave out the background, which is then the first channel.

    Args:
        classes: names of the data set's classes, by label.
        model: the network.
        dataset: its name, for messages.
        trained_on: what is known of the network's classes.

    Raises:
        JobFailed: a class is unknown to the network, or their numbers differ.
    """
    names = None if trained_on.names is None else tuple(trained_on.names)
    channels = of_classes.class_count(model.classes or len(names or classes) + 1)
    known = replace(
        trained_on,
        names=None if names is None else _with_background(names, channels),
        stated=_with_background(tuple(trained_on.stated), channels),
        is_imagenet=False,
    )
    return class_names.outputs_of((BACKGROUND, *classes), model, dataset, known, channels)


def _with_background(names: tuple[str, ...], channels: int) -> tuple[str, ...]:
    if len(names) == channels - 1:
        return (BACKGROUND, *names)
    if names and names[0].lower() in _GROUNDS:
        return (BACKGROUND, *names[1:])
    return names


class FixedObjective(SegmentationObjective):
    """Objective of a trained network whose classes include those of the data set.

    Args:
        classes: names of the data set's classes, by label.
        dataset: its name, for messages.
        options: the classes that are left out.
        channels: the channel of the background and of each class.
    """

    def __init__(
        self,
        classes: Sequence[str],
        dataset: str,
        options: SegmentationOptions,
        channels: OutputsOf,
    ) -> None:
        super().__init__(classes, dataset, options)
        self._table = np.full(256, OTHER, np.uint8)
        self._table[list(channels.output_indices)] = np.arange(len(channels.output_indices))

    def answers(self, outputs: Arrays, encoding: str) -> Maps:
        """Return the class of each pixel, as the data set numbers them, or `OTHER`."""
        return np.asarray(self._table[super().answers(outputs, encoding)])

    def example_marks(
        self, answers: Arrays, targets: Arrays, encoding: str
    ) -> list[tuple[list[AnyMark], list[AnyMark]]]:
        """Return the masks of the data set's classes; other classes of the network have none."""
        found = single(answers)
        known = np.where(found == OTHER, np.uint8(0), found)
        return super().example_marks(known, targets, encoding)
