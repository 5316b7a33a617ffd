"""Agreement of two detectors on the same images: the share of shown objects that both find.

One network converted in two ways, say. Most boxes that average precision counts have low scores
and change with the smallest error of rounding, so only those that `predict` shows are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from cnnbench.data.annotations import NO_OBJECT
from cnnbench.tasks.detection.outputs import BOXES, LABELS, LEAST_SCORE, SCORES
from cnnbench.tasks.localization import boxes

Named = Mapping[str, np.ndarray]
Overlap = Callable[[Named, Named], npt.NDArray[np.float64]]

_SAME_AT = 0.5  # IoU


def agreement(answers: Named, others: Named, overlap: Overlap | None = None) -> float | None:
    """Return twice the objects that both have, divided by the objects of both.

    Both have an object if its class is the same and the IoU is at least 0.5; each is matched with
    one object at most.

    Args:
        answers, others: of two networks for the same images; `DetectionObjective.answers`.
        overlap: the IoU of each object of an image with each of the other network's, ``(k, m)``; by
            default that of their boxes. Its arguments are some rows of the answers.

    Returns:
        Between 0 and 1; None if neither network shows an object.
    """
    from scipy.optimize import linear_sum_assignment

    shared = shown = 0
    for image in range(len(answers[LABELS])):
        ours, theirs = (_shown(one, image) for one in (answers, others))
        shown += len(ours[LABELS]) + len(theirs[LABELS])
        is_same = ours[LABELS][:, None] == theirs[LABELS]
        if is_same.any():
            is_same &= (overlap or _of_boxes)(ours, theirs) >= _SAME_AT
            pairs = linear_sum_assignment(is_same, maximize=True)
            shared += int(is_same[pairs].sum())
    return 2 * shared / shown if shown else None


def _shown(answers: Named, image: int) -> dict[str, np.ndarray]:
    """Return the objects of an image that are shown."""
    is_shown = (answers[LABELS][image] != NO_OBJECT) & (answers[SCORES][image] > LEAST_SCORE)
    return {name: one[image][is_shown] for name, one in answers.items()}


def _of_boxes(ours: Named, theirs: Named) -> npt.NDArray[np.float64]:
    inside = [np.clip(one[BOXES].astype(np.float64), 0.0, 1.0) for one in (ours, theirs)]
    return boxes.iou(inside[0][:, None], inside[1][None])
