"""Metrics of a detector: average precision by COCO's rules, and the details in a record.

A metric takes predictions and targets as dictionaries of n images:

- predictions: the network's detections after non-max suppression, M per image: ``boxes``, float32
  ``(n, M, 4)``, ``y0 x0 y1 x1`` as fractions of the network's input, to which they are clipped;
  ``scores``, float32 ``(n, M)``; ``labels``, int64 ``(n, M)``, with `NO_OBJECT` in unused entries.
  In addition the values computed from all of them: ``summary``, ``(7,)``, in the order of `SUMMARY`
  (-1 without such objects), and ``voc07``, ``(classes,)``;
- targets: ``labels``, int64 ``(n, k)``, and ``boxes``, float32 ``(n, k, 4)``, likewise; ``ignored``
  and ``crowd``, bool ``(n, k)``, as in `annotations.Objects` (by default none); ``spans``, float32
  ``(n, 2)``: height and width of the original picture that the network's input shows, so that
  areas are in px of the original picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cnnbench.data.annotations import NO_OBJECT
from cnnbench.errors import JobFailed
from cnnbench.metrics import Metric, QualityMetric
from cnnbench.tasks import image_scores
from cnnbench.tasks.detection import average_precision as ap
from cnnbench.tasks.detection import coco, mistakes, voc
from cnnbench.tasks.detection.matching import Floats, Truth, level, read_answers, read_truth
from cnnbench.tasks.localization import boxes
from cnnbench.tasks.resampled_task import STEPS
from cnnbench.tasks.task import Evaluation, evaluate_all

Named = Mapping[str, np.ndarray]

SUMMARY = (
    *("box_map", "box_map50", "box_map75", "box_map_small", "box_map_medium", "box_map_large"),
    "box_ar100",
)

RESAMPLES = 200
MOST_CLASSES = 80  # with details of their own in a record
CURVES = (0.5, 0.75)  # IoU
MILLE = 1000
"""Integer that stands for a precision of 1 in a record's curves."""

_MOST_OF_CLASS = 500  # objects that decide the constant box of a class
_OF_CLASS = 2  # every second point of a class' own curve is kept

_TASK = "detection"
_OBJECTS = "test_objects_sha256"
_POSITIONS = 65_535


def evaluate(answers: Named, truth: Named, classes: Sequence[str]) -> Evaluation:
    """Evaluate the detections of a network against the true objects of the same images.

    Args:
        answers: predictions as in the module's docstring, without ``summary`` and ``voc07``.
        truth: targets as in the module's docstring.
        classes: names, by label.

    Raises:
        JobFailed: no image has an object, or the detections are not finite.
    """
    objects = read_truth(truth)
    if not objects.counted.any():
        raise JobFailed("none of the test images has an object to be found")
    found = read_answers(answers, truth)
    by_coco = coco.evaluated(found, objects, len(classes))
    computed = {
        "summary": by_coco.summary,
        "voc07": voc.average_precision(found, objects, len(classes)),
    }
    weights = ap.resamples(len(objects), RESAMPLES)
    replicates = ap.summary(found, objects, len(classes), weights)
    chances = of_constant(truth, objects, len(classes))
    details = {
        "n_test": len(objects),
        "n_objects": int(objects.counted.sum()),
        "chance": chances["box_map"],
        "chances": chances,
        **of_classes(by_coco, objects, classes),
        "errors": mistakes.counts(found, objects, len(classes)),
        "replicates": {name: steps(values) for name, values in replicates.items()},
        _OBJECTS: _identity(truth, objects),
    }
    left_out = int((objects.ignored & (objects.labels != NO_OBJECT)).sum())
    notes = [f"{left_out:,} crowds and difficult objects ignored"] if left_out else []
    return Evaluation(evaluate_all(_TASK, {**answers, **computed}, truth), details, notes)


def steps(values: Floats) -> list[int]:
    """Return integers in units of 1 / `STEPS`; the mean for resamples without such objects."""
    known = np.where(np.isnan(values), np.nanmean(values), values)
    return np.rint(known * STEPS).astype(np.int64).tolist()  # type: ignore[no-any-return]


def of_constant(truth: Named, objects: Truth, classes: int) -> dict[str, float]:
    """Return the metrics of a `constant` prediction."""
    once = np.ones((1, len(objects)), np.int64)
    answers = constant(truth, objects, classes)
    found = ap.summary(read_answers(answers, truth), objects, classes, once)
    return {name: float(values[0]) for name, values in found.items()}


def constant(truth: Named, objects: Truth, classes: int) -> dict[str, np.ndarray]:
    """Return a constant prediction, which is the same for all images.

    For every class that has objects it contains the box that `boxes.constant` finds for them, with
    the share of the class among all objects as its score.
    """
    edges = np.asarray(truth["boxes"], np.float64)
    of_class = [objects.counted & (objects.labels == label) for label in range(classes)]
    known = [label for label in range(classes) if of_class[label].any()]
    counts = np.array([of_class[label].sum() for label in known])
    guess = np.stack([boxes.constant(_some(edges[of_class[label]])) for label in known])
    images = len(objects)
    return {
        "boxes": np.tile(guess, (images, 1, 1)),
        "scores": np.tile(counts / counts.sum(), (images, 1)),
        "labels": np.tile(np.array(known, np.int64), (images, 1)),
    }


def _some(edges: Floats) -> Floats:
    """Return evenly spaced rows of many."""
    return edges[:: -(-len(edges) // _MOST_OF_CLASS)]


def of_classes(
    by_coco: coco.Coco, objects: Truth, classes: Sequence[str], kind: str = "box"
) -> dict[str, Any]:
    """Return the average precision and the precision-recall curve of each class, and of all.

    At most the first `MOST_CLASSES` classes have their own.
    """
    labels = objects.labels[objects.counted]
    counts = np.bincount(labels, minlength=len(classes))[:MOST_CLASSES]
    has_objects = np.bincount(labels, minlength=len(classes)) > 0
    precision = by_coco.precision
    of_each = precision.mean(axis=1)
    named = {
        f"{kind}_map": of_each.mean(axis=0),
        f"{kind}_map50": of_each[level(0.5)],
        f"{kind}_map75": of_each[level(0.75)],
    }
    curves = {}
    for threshold in CURVES:
        at = precision[level(threshold)]
        curves[f"{threshold:g}"] = {
            "all": _points(at[:, has_objects].mean(axis=1)),
            "classes": [
                _points(at[::_OF_CLASS, label]) if count else None
                for label, count in enumerate(counts)
            ],
        }
    return {
        "classes": list(classes[:MOST_CLASSES]),
        "class_objects": counts.tolist(),
        "class_ap": {
            name: [
                round(float(value), 6) if count else None
                for value, count in zip(values, counts, strict=False)
            ]
            for name, values in named.items()
        },
        "curves": curves,
    }


def _points(precision: Floats) -> list[int]:
    return np.rint(precision * MILLE).astype(np.int64).tolist()  # type: ignore[no-any-return]


def _identity(truth: Named, objects: Truth) -> str:
    positions = np.rint(np.asarray(truth["boxes"], np.float64) * _POSITIONS).astype("<i4")
    spans = np.rint(np.asarray(truth["spans"], np.float64)).astype("<i4")
    ignored = objects.ignored.astype("<u1") + objects.crowd
    return image_scores.sha256(objects.labels.astype("<i8"), positions, spans, ignored)


def _summary(name: str) -> Any:
    place = SUMMARY.index(name)

    def compute(predictions: Named, targets: Named) -> float | None:
        value = float(predictions["summary"][place])
        return None if value < 0 else value

    return compute


def _voc07(predictions: Named, targets: Named) -> float | None:
    """Mean over the classes that have objects."""
    return float(np.nanmean(predictions["voc07"]))


def _metric(name: str, title: str, rank: int = 0, group: str = "Accuracy") -> QualityMetric:
    is_resampled = name in SUMMARY
    metric = Metric(name, "fraction", "higher", "setting", title=title, group=group, rank=rank,
                    primary=bool(group), is_resampled=is_resampled)  # fmt: skip
    return QualityMetric(metric, _TASK, _summary(name) if name in SUMMARY else _voc07)


BOX_MAP = _metric("box_map", "AP")
BOX_MAP50 = _metric("box_map50", "AP50", 2)
BOX_MAP75 = _metric("box_map75", "AP75", 2)
BOX_MAP_SMALL = _metric("box_map_small", "AP small", 4)
BOX_MAP_MEDIUM = _metric("box_map_medium", "AP medium", 4)
BOX_MAP_LARGE = _metric("box_map_large", "AP large", 4)
BOX_AR100 = _metric("box_ar100", "AR100", 4)
BOX_AP50_VOC07 = _metric("box_ap50_voc07", "AP50 VOC07", group="")
