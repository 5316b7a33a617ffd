"""Metrics of a segmentation network, and the details of an evaluation in a record.

A metric takes predictions and targets as dictionaries of n images, which are judged at the
resolution of the network's input:

- predictions: ``semantic``, uint8 ``(n, h, w)``: the class of each pixel, 0 for the background; a
  number that is no class is never right. ``counted``, bool ``(classes,)``: False for classes that
  are left out. ``pixels`` and ``edges``, optional: the `Counts` of all pixels and of those near
  boundaries, computed once for all metrics;
- targets: ``semantic``, likewise, with `IGNORED` where a pixel is neither right nor wrong.

A class that is neither in the truth nor in the predictions is left out of a mean.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cnnbench.data.annotations import IGNORED
from cnnbench.errors import JobFailed
from cnnbench.metrics import Metric, QualityMetric
from cnnbench.tasks import image_scores
from cnnbench.tasks.detection.average_precision import resamples
from cnnbench.tasks.resampled_task import STEPS
from cnnbench.tasks.segmentation import boundary, confusion
from cnnbench.tasks.segmentation.confusion import Counts, Floats, Ints, Maps
from cnnbench.tasks.task import Evaluation, evaluate_all
from cnnbench.units import show

Named = Mapping[str, Any]

RESAMPLES = 200
MOST_CLASSES = 40  # of a confusion matrix in a record

_TASK = "segmentation"
_MIOU, _ACCURACY, _BOUNDARY = "segmentation_miou", "pixel_accuracy", "boundary_iou"
_PIXELS = "test_pixels_sha256"


def evaluate(
    answers: Maps, truth: Maps, names: Sequence[str], counted: npt.NDArray[np.bool_]
) -> Evaluation:
    """Evaluate predicted classes of pixels against the true ones of the same images.

    Args:
        answers: predictions, ``(n, h, w)``, as in the module's docstring.
        truth: targets, likewise.
        names: of the classes, the background first.
        counted: False for classes that are left out of means.

    Raises:
        JobFailed: no pixel counts.
    """
    pixels, matrix = confusion.counted(truth, answers, len(names))
    if not pixels.truth.any():
        raise JobFailed("none of the pixels of the test images has a class that counts")
    edges = boundary.counted(truth, answers, len(names))
    predictions: dict[str, Any] = {"semantic": answers, "counted": counted}
    predictions |= {"pixels": pixels, "edges": edges}
    weights = resamples(len(truth), RESAMPLES)
    constant = _constant(truth, pixels, counted)
    details = {
        "n_test": len(truth),
        "chance": constant[_MIOU],
        "chances": constant,
        "classes": list(names),
        "class_pixels": pixels.truth.sum(axis=0).tolist(),
        "class_iou": {_MIOU: _listed(pixels, counted), _BOUNDARY: _listed(edges, counted)},
        "replicates": {
            _MIOU: _steps(pixels.mean_iou(counted, weights)),
            _ACCURACY: _steps(pixels.accuracy(weights)),
            _BOUNDARY: _steps(edges.mean_iou(counted, weights)),
        },
        _PIXELS: image_scores.sha256(truth),
    }
    if len(names) <= MOST_CLASSES:
        details["pixel_confusion"] = matrix.tolist()
    ignored = float((truth == IGNORED).mean())
    notes = [f"{show(ignored, 'fraction')} of the test pixels ignored"] if ignored else []
    return Evaluation(evaluate_all(_TASK, predictions, {"semantic": truth}), details, notes)


def _constant(truth: Maps, pixels: Counts, counted: npt.NDArray[np.bool_]) -> dict[str, float]:
    """Return the metrics of the prediction that every pixel is of the most frequent class."""
    classes = len(counted)
    most_frequent = int(pixels.truth.sum(axis=0).argmax())
    answers = np.broadcast_to(np.uint8(most_frequent), truth.shape)
    predicted, common = np.zeros_like(pixels.truth), np.zeros_like(pixels.truth)
    predicted[:, most_frequent] = pixels.truth.sum(axis=1)
    common[:, most_frequent] = pixels.truth[:, most_frequent]
    found = Counts(pixels.truth, predicted, common)
    edges = boundary.counted(truth, answers, classes)
    values = {
        _MIOU: found.mean_iou(counted),
        _ACCURACY: found.accuracy(),
        _BOUNDARY: edges.mean_iou(counted),
    }
    return {name: float(np.nan_to_num(value)) for name, value in values.items()}


def _listed(counts: Counts, counted: npt.NDArray[np.bool_]) -> list[float | None]:
    """Return the IoU of each class; None where it is unknown or left out."""
    found = np.where(counted, counts.iou(), np.nan)
    return [None if math.isnan(value) else round(float(value), 6) for value in found]


def _steps(values: Floats) -> list[int]:
    """Return integers in units of 1 / `STEPS`; the mean for resamples in which nothing counts."""
    known = values[~np.isnan(values)]
    filled = np.where(np.isnan(values), known.mean() if known.size else 0.0, values)
    return np.rint(filled * STEPS).astype(np.int64).tolist()  # type: ignore[no-any-return]


def mean_iou(matrix: Ints) -> float:
    """Mean over the classes of their IoU in a confusion matrix ``(classes, classes)``.

    Classes of which both row and column are empty are left out; NaN if all are.
    """
    rows, columns, diagonal = matrix.sum(axis=1), matrix.sum(axis=0), np.diagonal(matrix)
    counts = Counts(rows[None], columns[None], diagonal[None])
    return float(counts.mean_iou(np.ones(len(matrix), np.bool_)))


def _pixels(predictions: Named, targets: Named) -> Counts:
    found = predictions.get("pixels")
    if found is None:
        classes = len(predictions["counted"])
        found, _ = confusion.counted(targets["semantic"], predictions["semantic"], classes)
    return found  # type: ignore[no-any-return]


def _known(value: Floats) -> float | None:
    return None if np.isnan(value) else float(value)


def _miou(predictions: Named, targets: Named) -> float | None:
    """Mean over the classes of the IoU of their pixels, from one confusion matrix."""
    return _known(_pixels(predictions, targets).mean_iou(predictions["counted"]))


def _accuracy(predictions: Named, targets: Named) -> float | None:
    """Share of the pixels whose class is right."""
    return _known(_pixels(predictions, targets).accuracy())


def _boundary(predictions: Named, targets: Named) -> float | None:
    """Mean over the classes of the IoU of their pixels near boundaries."""
    found = predictions.get("edges")
    if found is None:
        maps = targets["semantic"], predictions["semantic"]
        found = boundary.counted(*maps, len(predictions["counted"]))
    return _known(found.mean_iou(predictions["counted"]))


def _metric(name: str, title: str, rank: int) -> Metric:
    return Metric(name, "fraction", "higher", "setting", title=title, group="Accuracy", rank=rank,
                  is_resampled=True)  # fmt: skip


SEGMENTATION_MIOU = QualityMetric(_metric(_MIOU, "mIoU", 0), _TASK, _miou)
PIXEL_ACCURACY = QualityMetric(_metric(_ACCURACY, "Pixel accuracy", 2), _TASK, _accuracy)
BOUNDARY_IOU = QualityMetric(_metric(_BOUNDARY, "Boundary IoU", 2), _TASK, _boundary)
