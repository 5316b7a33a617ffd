"""Objective of a localiser: class and box of the largest object of each image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from cnnbench.data.annotations import NO_OBJECT
from cnnbench.data.pictures import Part
from cnnbench.errors import JobFailed
from cnnbench.models import output_names
from cnnbench.models.handle import ModelHandle
from cnnbench.tasks.classification import outputs as of_classes
from cnnbench.tasks.classification.class_names import OutputsOf
from cnnbench.tasks.classification.objective import (
    MOST_NAMES,
    ClassificationObjective,
    probabilities,
)
from cnnbench.tasks.classification.outputs import Kind
from cnnbench.tasks.localization import boxes, losses, outputs, quality
from cnnbench.tasks.localization.outputs import BOXES, CLASSES
from cnnbench.tasks.task import Arrays, Evaluation, Objective, evaluate_all
from cnnbench.text import plural

if TYPE_CHECKING:
    from cnnbench.data.drawing import AnyMark
    from cnnbench.tasks.localization import LocalizationOptions

Named = dict[str, np.ndarray]

_SAME_AT = quality.LOCATED_AT  # IoU of two boxes that are the same answer


class LocalizationObjective(Objective):
    """Cross-entropy of the class and squared error of the box.

    The encoding is that of the classes. An image without an object, or whose object augmentation
    has moved out of the image, has weight 0 in training; in evaluation it is excluded.

    Args:
        classes: names of the data set's classes, by label.
        dataset: its name, for messages.
        options: of the losses.
    """

    def __init__(self, classes: Sequence[str], dataset: str, options: LocalizationOptions) -> None:
        self._classes = classes
        self._dataset = dataset
        self._options = options
        self._classifier = ClassificationObjective(classes, dataset)

    def outputs_for(self, own: int) -> int:
        return self._classifier.outputs_for(own)

    def head(self, seed: int) -> Any:
        raise JobFailed("it has no head for boxes: write it with one, for example MobileNetV2+box")

    def check_network(self, network: Any) -> None:
        found = output_names.named(output_names.of(network))
        shapes = {path: tuple(output.shape) for path, output in found.items()}
        outputs.paths(shapes, None, "the network")
        width, count = shapes[CLASSES][1], len(self._classes)
        kind = outputs.kind_of_classes(network)
        if count == 1 and outputs.is_only_class(kind, width):
            return
        of_classes.check(kind, width)
        if of_classes.class_count(width) != count:
            raise JobFailed(
                f"it has {of_classes.class_count(width)} classes, but the data set has {count}"
            )

    def encoding(self, network: Any) -> str:
        return outputs.kind_of_classes(network)

    def targets(self, part: Part) -> Named:
        """Return ``labels`` ``(n, 1)`` and ``boxes`` ``(n, 1, 4)`` of the largest objects.

        Ignored objects are never the target.
        """
        found = part.objects
        if found is None:
            raise JobFailed(f"{self._dataset} has no boxes, which localization needs")
        if not found.labels.shape[1]:  # no image has an object
            empty = np.zeros((len(part), 1, 4), np.float32)
            return {"labels": np.full((len(part), 1), NO_OBJECT, np.int64), "boxes": empty}
        rows = np.maximum(found.largest(), 0)[:, None]
        labels = np.take_along_axis(found.labels, rows, axis=1)
        is_ignored = np.take_along_axis(found.ignored, rows, axis=1)
        return {
            "labels": np.where(is_ignored, NO_OBJECT, labels),
            "boxes": np.take_along_axis(found.boxes, rows[..., None], axis=1),
        }

    def encoded(self, targets: Any, encoding: str) -> Any:
        return losses.encoded(targets["labels"], targets["boxes"], len(self._classes))

    def loss(self, encoding: str, label_smoothing: float = 0.0) -> dict[str, Any]:
        return {
            BOXES: losses.box_loss(self._options.sqrt),
            CLASSES: losses.class_loss(cast(Kind, encoding), label_smoothing),
        }

    def loss_weights(self, encoding: str) -> dict[str, float]:
        of_class, of_box = self._options.loss_weights
        return {BOXES: of_box, CLASSES: of_class}

    def imitation_loss(self, encoding: str) -> dict[str, Any]:
        return {
            BOXES: "mean_squared_error",
            CLASSES: self._classifier.imitation_loss(encoding),
        }

    def watched(self, encoding: str) -> dict[str, Any]:
        return {BOXES: losses.mean_iou()}

    def evaluate(self, answers: Arrays, targets: Arrays, encoding: str) -> Evaluation:
        predictions, wanted = self._predictions(answers, encoding), _named(targets)
        labels = wanted["labels"][:, 0]
        known = labels != NO_OBJECT
        if not known.any():
            raise JobFailed(f"none of the test images of {self._dataset} has an object")
        predictions = {name: values[known] for name, values in predictions.items()}
        wanted = {"labels": labels[known], "boxes": wanted["boxes"][known, 0]}
        metrics = evaluate_all("localization", predictions, wanted)
        left_out = int((~known).sum())
        return Evaluation(
            metrics | {"top1": quality.top1(predictions, wanted)},
            quality.details(predictions, wanted) | {"classes": list(self._classes)[:MOST_NAMES]},
            [f"{plural(left_out, 'test image')} without an object left out"] if left_out else [],
        )

    def example_marks(
        self, answers: Arrays, targets: Arrays, encoding: str
    ) -> list[tuple[list[AnyMark], list[AnyMark]]]:
        """Return the true object, and the box with the most probable class."""
        from cnnbench.tasks import marks

        found, truth, names = self._predictions(answers, encoding), _named(targets), self._names()
        best = found[CLASSES].argmax(axis=1)[:, None]
        scores = np.take_along_axis(found[CLASSES], best, axis=1)
        return [
            (
                marks.of_boxes(truth["labels"][row], truth["boxes"][row], names),
                marks.of_boxes(best[row], found[BOXES][row, None], names, scores[row]),
            )
            for row in range(len(best))
        ]

    def agreement(self, answers: Arrays, others: Arrays, encoding: str) -> float:
        """Return the share of images with the same class and boxes with an IoU of at least 0.5."""
        ours, theirs = (self._predictions(one, encoding) for one in (answers, others))
        is_same = ours[CLASSES].argmax(axis=1) == theirs[CLASSES].argmax(axis=1)
        return float((is_same & (boxes.iou(ours[BOXES], theirs[BOXES]) >= _SAME_AT)).mean())

    def postprocessed(self, outputs: Arrays, encoding: str) -> Named:
        """Return boxes ``y0 x0 y1 x1`` and probabilities of the classes."""
        return self._predictions(outputs, encoding)

    def notes(self, model: ModelHandle, part: Part, encoding: str) -> list[str]:
        found = self._classifier.notes(model, part, encoding)
        several = 0 if part.objects is None else int((part.objects.counts > 1).sum())
        if several:
            found.append(
                f"{several:,} of {len(part):,} test images have several objects: the largest of "
                "each is to be found"
            )
        return found

    def _names(self) -> Sequence[str]:
        """Return the names of the network's classes, by the labels of `targets`."""
        return self._classes

    def _predictions(self, given: Arrays, encoding: str) -> Named:
        """Return boxes ``y0 x0 y1 x1`` inside the image, and probabilities of the classes."""
        found = outputs.checked(given)
        if not np.isfinite(found[BOXES]).all():
            raise JobFailed("its outputs are not finite")
        return {
            BOXES: boxes.corners(found[BOXES]),
            CLASSES: outputs.class_probabilities(
                found[CLASSES], cast(Kind, encoding), probabilities
            ),
        }


class FixedObjective(LocalizationObjective):
    """Objective of a trained localiser whose classes include those of the data set.

    Args:
        classes: names of the data set's classes, by label.
        dataset: its name, for messages.
        options: of the losses.
        outputs_of: the output of each class.
    """

    def __init__(
        self,
        classes: Sequence[str],
        dataset: str,
        options: LocalizationOptions,
        outputs_of: OutputsOf,
    ) -> None:
        super().__init__(classes, dataset, options)
        self._indices = np.array(outputs_of.output_indices)

    def targets(self, part: Part) -> Named:
        found = super().targets(part)
        labels = found["labels"]
        return found | {"labels": np.where(labels < 0, labels, self._indices[labels])}

    def _names(self) -> list[str]:
        names = [f"class {index}" for index in range(int(self._indices.max()) + 1)]
        for index, name in zip(self._indices, self._classes, strict=True):
            names[index] = name
        return names


def _named(targets: Arrays) -> Mapping[str, np.ndarray]:
    if not isinstance(targets, Mapping):
        raise JobFailed("the targets of a localiser are labels and boxes")
    return targets
