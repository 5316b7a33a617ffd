"""Metrics of a localiser, and its scores for records.

A metric takes predictions and targets as dictionaries of n images, each with one object:

- predictions: ``boxes``, float64 ``(n, 4)``, ``y0 x0 y1 x1`` in fractions of the image, and
  ``classes``, probabilities ``(n, classes)``, rows that add up to one;
- targets: ``boxes`` ``(n, 4)``, likewise, and ``labels``, int64 ``(n,)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cnnbench.metrics import Metric, QualityMetric
from cnnbench.tasks import image_scores
from cnnbench.tasks.classification import quality as of_classes
from cnnbench.tasks.image_scores import ImageScores
from cnnbench.tasks.localization import boxes
from cnnbench.tasks.task import Evaluated

Named = Mapping[str, np.ndarray]

LOCATED_AT = 0.5
"""The smallest IoU of a box that counts as right."""

_TASK = "localization"
_BINS = 10  # of the histogram of IoUs
_OBJECTS = "test_objects_sha256"
_POSITIONS = 65_535  # in a box's identity, so that rounding in the last digits does not change it


def mean_iou(predictions: Named, targets: Named) -> float:
    """Mean over the images of the IoU of predicted and true box, regardless of the class."""
    return float(boxes.iou(predictions["boxes"], targets["boxes"]).mean())


def top1(predictions: Named, targets: Named) -> float:
    """Share of images whose most probable class is right, regardless of the box."""
    return of_classes.top1(predictions["classes"], targets["labels"])


def located_top1(predictions: Named, targets: Named) -> float:
    """Share of images with the right class and a box of at least `LOCATED_AT`."""
    return float(located(predictions, targets).mean())


def located(predictions: Named, targets: Named) -> np.ndarray:
    """Return a mask of the images whose class and box are right, ``(n,)``."""
    is_right = predictions["classes"].argmax(axis=1) == targets["labels"]
    overlap = boxes.iou(predictions["boxes"], targets["boxes"])
    return np.asarray(is_right & (overlap >= LOCATED_AT))


def details(predictions: Named, targets: Named) -> dict[str, Any]:
    """Return the details of an evaluation for a record.

    Chance is the score of one constant prediction: the most frequent class, and the box that
    `boxes.constant` finds for the test images.
    """
    found = of_classes.details(predictions["classes"], targets["labels"])
    overlap = boxes.iou(predictions["boxes"], targets["boxes"])
    constant = _constant(targets, predictions["classes"].shape[1])
    positions = np.rint(targets["boxes"] * _POSITIONS).astype("<u2")
    return found | {
        "chance": mean_iou(constant, targets),
        "chances": {
            "top1": top1(constant, targets),
            "located_top1": located_top1(constant, targets),
        },
        "iou": image_scores.packed_scores(overlap),
        "iou_counts": np.histogram(overlap, _BINS, (0.0, 1.0))[0].tolist(),
        "located": image_scores.packed_answers(located(predictions, targets)),
        _OBJECTS: image_scores.sha256(targets["labels"].astype("<i8"), positions),
    }


def _constant(targets: Named, classes: int) -> dict[str, np.ndarray]:
    labels = targets["labels"]
    most_frequent = np.bincount(labels, minlength=classes).argmax()
    box = boxes.constant(targets["boxes"])
    return {
        "boxes": np.tile(box, (len(labels), 1)),
        "classes": np.tile(np.eye(classes)[most_frequent], (len(labels), 1)),
    }


def scores_of(evaluation: Evaluated, metric: str) -> ImageScores | None:
    """Return the scores of every image; None if the record does not have all of them."""
    if metric == "mean_iou":
        return image_scores.scores(evaluation, "iou", _OBJECTS)
    stored = {"top1": "correct", "located_top1": "located"}.get(metric)
    return image_scores.answers(evaluation, stored, _OBJECTS) if stored else None


MEAN_IOU = QualityMetric(
    Metric("mean_iou", "fraction", "higher", "setting", title="Mean IoU", group="Accuracy",
           is_share=True),
    _TASK,
    mean_iou,
)  # fmt: skip
LOCATED_TOP1 = QualityMetric(
    Metric("located_top1", "fraction", "higher", "setting", title="Top-1 located", group="Accuracy",
           rank=2, is_share=True),
    _TASK,
    located_top1,
)  # fmt: skip
