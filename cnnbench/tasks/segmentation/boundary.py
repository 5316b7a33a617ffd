"""Boundary IoU: the overlap of the pixels of each class near its boundary.

Cheng, Girshick, Dollár, Berg and Kirillov 2021, Boundary IoU (arXiv:2103.16562), section 4: of true
and predicted mask only the pixels within a distance of the mask's own boundary count, 2 % of the
image's diagonal. As in the authors' code, the distance is that of an erosion by 3 × 3 squares, and
the edge of the image is a boundary. Here classes take the place of objects: intersections and
unions are summed over the data set, as in the mean IoU.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from cnnbench.data.annotations import IGNORED
from cnnbench.tasks.segmentation.confusion import Counts, Ints, Maps, by_class

DISTANCE = 0.02  # of the diagonal

_AT_ONCE = 8_000_000  # pixels


def distance(height: int, width: int) -> int:
    """Return the distance from a boundary within which pixels of an image count, in px."""
    return max(1, round(DISTANCE * float(np.hypot(height, width))))


def edges(maps: Maps, within: int) -> npt.NDArray[np.bool_]:
    """Return a mask of the pixels near the boundary of their class, ``(n, h, w)``.

    Args:
        maps: the class of each pixel, ``(n, h, w)``.
        within: the distance in px to the next pixel of another class, or beyond the image.
    """
    found = np.zeros(maps.shape, np.bool_)
    for axis in (1, 2):
        # Between a pixel and the next one along this axis.
        changes = np.zeros(maps.shape, np.bool_)
        to, since = _shifted(axis, 1)
        changes[to] = maps[since] != maps[to]
        near = _spread(changes, axis, within, within - 1)
        found |= _spread(near, 3 - axis, within, within)
    found[:, :within] = found[:, -within:] = True
    found[:, :, :within] = found[:, :, -within:] = True
    return found


def counted(truth: Maps, predicted: Maps, classes: int) -> Counts:
    """Return the counts of the pixels near the boundaries of their classes.

    Where the truth is ignored, nothing counts; its border is a boundary of both.

    Args:
        truth, predicted, classes: as in `confusion.counted`.
    """
    within = distance(*truth.shape[1:])
    step = max(1, _AT_ONCE // max(1, int(np.prod(truth.shape[1:]))))
    found = np.empty((3, len(truth), classes), np.int64)
    for start in range(0, len(truth), step):
        part = slice(start, start + step)
        found[:, part] = _counted(truth[part], predicted[part], classes, within)
    return Counts(*found)


def _counted(truth: Maps, predicted: Maps, classes: int, within: int) -> Ints:
    """Return true, predicted and common pixels, ``(3, n, classes)``."""
    is_ignored = truth == IGNORED
    predicted = np.where(is_ignored, np.uint8(IGNORED), predicted)
    of_truth = edges(truth, within) & ~is_ignored
    of_prediction = edges(predicted, within) & ~is_ignored
    is_both = of_truth & of_prediction & (truth == predicted)
    pairs = ((truth, of_truth), (predicted, of_prediction), (truth, is_both))
    return np.array(
        [
            [by_class(one[near], classes) for one, near in zip(maps, mask, strict=True)]
            for maps, mask in pairs
        ]
    )


def _spread(mask: npt.NDArray[np.bool_], axis: int, before: int, after: int) -> Any:
    """Return where the mask is set at most ``before`` px earlier or ``after`` px later."""
    found = mask.copy()
    for step in range(1, max(before, after) + 1):
        to, since = _shifted(axis, step)
        if step <= before:
            found[since] |= mask[to]
        if step <= after:
            found[to] |= mask[since]
    return found


def _shifted(axis: int, step: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return the indices of all but the last, and of all but the first ``step`` places."""
    whole = (slice(None),) * axis
    return (*whole, slice(None, -step)), (*whole, slice(step, None))
