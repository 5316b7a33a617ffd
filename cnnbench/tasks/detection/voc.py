"""Average precision as in Pascal VOC 2007: IoU 0.5, the mean precision at eleven recall levels.

Everingham et al. 2010, The Pascal Visual Object Classes (VOC) Challenge, section 4.2. Boxes are
areas here; the development kit includes the pixels of both edges.
"""

from __future__ import annotations

import numpy as np

from cnnbench.tasks.detection.matching import Bools, Floats, Found, Truth, near

_LEAST = 0.5
_RECALLS: Floats = np.linspace(0.0, 1.0, 11)


def average_precision(found: Found, truth: Truth, classes: int) -> Floats:
    """Return the average precision of each class, ``(classes,)``; NaN for one without objects."""
    is_right, is_ignored = _judged(found, truth)
    result = np.full(classes, np.nan)
    for label in range(classes):
        objects = int((truth.counted & (truth.labels == label)).sum())
        (places,) = np.nonzero((found.labels == label) & ~is_ignored)
        if objects:
            places = places[np.argsort(-found.scores[places], kind="stable")]
            result[label] = _at_eleven(is_right[places], objects)
    return result


def _judged(found: Found, truth: Truth) -> tuple[Bools, Bools]:
    """Return which detections are right, and which are ignored, ``(d,)`` each.

    A detection belongs to the object of its class that it overlaps most. If that is ``difficult``,
    it is ignored; of several that belong to one object only the first is right.
    """
    is_right = np.zeros(len(found.images), np.bool_)
    is_ignored = is_right.copy()
    taken = np.zeros(truth.labels.shape, np.bool_)
    pairs = near(found, truth, _LEAST)
    best = pairs.ious.argmax(axis=1)
    rows = pairs.rows[np.arange(len(best)), best]
    images = found.images[pairs.places]
    # Image by image and by score, as the detections are.
    for place, image, row in zip(
        pairs.places.tolist(), images.tolist(), rows.tolist(), strict=True
    ):
        if truth.ignored[image, row]:
            is_ignored[place] = True
        elif not taken[image, row]:
            taken[image, row] = is_right[place] = True
    return is_right, is_ignored


def _at_eleven(is_right: Bools, objects: int) -> float:
    hits = np.cumsum(is_right)
    precision = hits / np.arange(1, len(is_right) + 1)
    recall = hits / objects
    best = [precision[recall >= least].max(initial=0.0) for least in _RECALLS]
    return float(np.mean(best))
