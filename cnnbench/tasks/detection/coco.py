"""COCO's metrics of a detector, computed by faster-coco-eval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnnbench.data.annotations import NO_OBJECT
from cnnbench.tasks.detection.matching import Floats, Found, Truth

_ALL = 0  # index of COCO's size ranges
_OUTSIDE = -1.0  # an area in none of them, so that COCO ignores the object


@dataclass(frozen=True)
class Coco:
    """COCO's metrics.

    Attributes:
        precision: at each IoU threshold, recall level and class, ``(10, 101, classes)``; -1 for a
            class without objects.
        summary: AP, AP50, AP75, AP of small, medium and large objects, and AR with at most 100
            detections, ``(7,)``; -1 where there are no such objects.
    """

    precision: Floats
    summary: Floats


@dataclass(frozen=True)
class Outlines:
    """Masks, run-length encoded, as COCO's code takes them.

    Attributes:
        size: height and width in px of all masks.
        found: of each detection.
        objects: of each true object, in the order of ``np.nonzero(truth.labels != NO_OBJECT)``.
    """

    size: tuple[int, int]
    found: Sequence[Mapping[str, Any]]
    objects: Sequence[Mapping[str, Any]]


def evaluated(found: Found, truth: Truth, classes: int, outlines: Outlines | None = None) -> Coco:
    """Return COCO's metrics of detections, by their boxes or by their masks.

    Args:
        found: the detections.
        truth: the true objects.
        classes: number of classes.
        outlines: the masks; None for the boxes.
    """
    from faster_coco_eval.core.faster_eval_api import COCOeval_faster

    size = {} if outlines is None else dict(zip(("height", "width"), outlines.size, strict=True))
    shared = {
        "images": [{"id": 1 + image, **size} for image in range(len(truth))],
        "categories": [{"id": 1 + label, "name": str(label)} for label in range(classes)],
    }
    annotations = _objects(truth), _detections(found)
    if outlines is not None:
        for made, masks in zip(annotations, (outlines.objects, outlines.found), strict=True):
            for one, mask in zip(made, masks, strict=True):
                one["segmentation"] = mask
    objects, detections = (_index(shared, made) for made in annotations)
    kind = "bbox" if outlines is None else "segm"
    evaluation = COCOeval_faster(objects, detections, kind, print_function=_quiet)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    named = evaluation.stats_as_dict
    names = ("AP_all", "AP_50", "AP_75", "AP_small", "AP_medium", "AP_large", "AR_third")
    precision = np.asarray(evaluation.eval["precision"], np.float64)[..., _ALL, -1]
    return Coco(precision, np.array([named[name] for name in names]))


def _quiet(*_words: object) -> None:
    """Take the place of ``print``."""


def _index(shared: dict[str, Any], annotations: list[dict[str, Any]]) -> Any:
    from faster_coco_eval import COCO

    index = COCO()
    index.dataset = {**shared, "annotations": annotations}
    index.createIndex()
    return index


def _objects(truth: Truth) -> list[dict[str, Any]]:
    """Return annotations; only crowds and areas make COCO's code ignore an object."""
    images, rows = np.nonzero(truth.labels != NO_OBJECT)
    boxes, crowd = truth.boxes[images, rows], truth.crowd[images, rows]
    is_difficult = truth.ignored[images, rows] & ~crowd
    areas = np.where(is_difficult, _OUTSIDE, truth.sizes[images, rows])
    columns = (images, truth.labels[images, rows], boxes, areas, crowd)
    return [
        {
            "id": number,
            "image_id": 1 + image,
            "category_id": 1 + label,
            "bbox": box,
            "area": area,
            "iscrowd": int(is_crowd),
        }
        for number, (image, label, box, area, is_crowd) in enumerate(
            zip(*(column.tolist() for column in columns), strict=True), 1
        )
    ]


def _detections(found: Found) -> list[dict[str, Any]]:
    columns = (found.images, found.labels, found.boxes, found.sizes, found.scores)
    return [
        {
            "id": number,
            "image_id": 1 + image,
            "category_id": 1 + label,
            "bbox": box,
            "area": area,
            "score": score,
        }
        for number, (image, label, box, area, score) in enumerate(
            zip(*(column.tolist() for column in columns), strict=True), 1
        )
    ]
