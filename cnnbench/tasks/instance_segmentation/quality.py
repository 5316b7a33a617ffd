"""Metrics of masks: average precision by COCO's rules, beside that of the boxes.

Predictions and targets are those of `cnnbench.tasks.detection.quality`, and in addition:

- predictions: ``masks``, uint8 ``(n, M, rows, columns)``: the probability of each cell of the box,
  255 is 1; ``mask_summary``, ``(7,)``, in the order of `SUMMARY`, computed from all of them;
- targets: ``instances``, ``(n, h, w)``, as in `annotations.Objects`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cnnbench.metrics import Metric, QualityMetric
from cnnbench.tasks.detection import average_precision as ap
from cnnbench.tasks.detection import coco
from cnnbench.tasks.detection import quality as boxes
from cnnbench.tasks.detection.matching import read_answers, read_truth
from cnnbench.tasks.instance_segmentation.masks import Compared, compared, named
from cnnbench.tasks.task import Evaluation, evaluate_all

Named = Mapping[str, np.ndarray]

KIND, MASKS = "mask", "masks"
SUMMARY = tuple(name.replace("box", KIND, 1) for name in boxes.SUMMARY)

_TASK = "instance_segmentation"


def evaluate(answers: Named, targets: Named, classes: Sequence[str]) -> Evaluation:
    """Evaluate the objects of a network against the true ones of the same images.

    Args:
        answers: predictions as in the module's docstring, without ``mask_summary``.
        targets: as in the module's docstring.
        classes: names, by label.

    Raises:
        JobFailed: no image has an object, or detections or masks are not finite.
    """
    of_boxes = boxes.evaluate(named(answers, [MASKS]), targets, classes)
    both = of_masks(answers, targets)
    by_coco = coco.evaluated(both.found, both.truth, len(classes), both.outlines)
    weights = ap.resamples(len(both.truth), boxes.RESAMPLES)
    replicates = _summary(both, len(classes), weights)
    chances = _of_constant(targets, len(classes))
    own, given = boxes.of_classes(by_coco, both.truth, classes, KIND), of_boxes.details
    details = {
        **given,
        "chance": chances[SUMMARY[0]],
        "chances": {**given["chances"], **chances},
        "class_ap": {**given["class_ap"], **own["class_ap"]},
        "mask_curves": own["curves"],
        "replicates": {
            **given["replicates"],
            **{name: boxes.steps(values) for name, values in replicates.items()},
        },
    }
    found = evaluate_all(_TASK, {**answers, "mask_summary": by_coco.summary}, targets)
    return Evaluation({**found, **of_boxes.metrics}, details, of_boxes.notes)


def of_masks(answers: Named, targets: Named) -> Compared:
    """Return the masks of detections and of true objects."""
    return compared(read_answers(answers, targets), read_truth(targets), answers, targets)


def _summary(both: Compared, classes: int, weights: Any) -> dict[str, Any]:
    return ap.summary(both.found, both.truth, classes, weights, KIND, both.near)


def _of_constant(targets: Named, classes: int) -> dict[str, float]:
    """Return the metrics of the constant prediction of boxes, each filled by its mask."""
    answers = boxes.constant(targets, read_truth(targets), classes)
    answers[MASKS] = np.full((*answers["labels"].shape, 1, 1), 255, np.uint8)
    once = np.ones((1, len(answers["labels"])), np.int64)
    found = _summary(of_masks(answers, targets), classes, once)
    return {name: float(values[0]) for name, values in found.items()}


def _metric(name: str, title: str, rank: int) -> QualityMetric:
    place = SUMMARY.index(name)

    def compute(predictions: Named, targets: Named) -> float | None:
        value = float(predictions["mask_summary"][place])
        return None if value < 0 else value

    metric = Metric(name, "fraction", "higher", "setting", title=title, group="Accuracy",
                    rank=rank, is_resampled=True)  # fmt: skip
    return QualityMetric(metric, _TASK, compute)


MASK_MAP = _metric("mask_map", "Mask AP", 0)
MASK_MAP50 = _metric("mask_map50", "Mask AP50", 2)
MASK_MAP75 = _metric("mask_map75", "Mask AP75", 2)
MASK_MAP_SMALL = _metric("mask_map_small", "Mask AP small", 4)
MASK_MAP_MEDIUM = _metric("mask_map_medium", "Mask AP medium", 4)
MASK_MAP_LARGE = _metric("mask_map_large", "Mask AP large", 4)
MASK_AR100 = _metric("mask_ar100", "Mask AR100", 4)
