"""Kinds of error of a detector, after TIDE.

Bolya, Foley, Hays and Hoffman 2020, TIDE: A General Toolbox for Identifying Object Detection
Errors (arXiv:2008.08115), section 2.2: foreground from IoU 0.5, background up to IoU 0.1. TIDE
weights errors by the average precision they cost. Here they are counted, among the best-scored
detections of each class, as many as the class has objects (Hoiem, Chodpathumwan and Dai 2012,
Diagnosing Error in Object Detectors): otherwise the many low-scored detections that a low threshold
keeps would hide the others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cnnbench.data.annotations import NO_OBJECT
from cnnbench.tasks.detection.matching import (
    Bools,
    Floats,
    Found,
    Ints,
    Truth,
    matched,
    overlaps,
)

FOREGROUND, BACKGROUND = 0.5, 0.1

KINDS = {
    "classification": "the box of an object of another class (IoU of at least 0.5)",
    "localization": "an object of the class, but a poor box (IoU from 0.1 to 0.5)",
    "both": "a poor box of an object of another class",
    "duplicate": "an object that a detection with a higher score has matched",
    "background": "no object (IoU of at most 0.1 with all)",
    "missed": "an object that no detection matches, even with only its class or box wrong",
}
"""Name of each kind of error -> its meaning."""

RIGHT = "right"


@dataclass(frozen=True)
class _Nearest:
    """Largest IoU of detections with objects of some kind, and the row of that object."""

    iou: Floats
    rows: Ints


def counts(found: Found, truth: Truth, classes: int) -> dict[str, int]:
    """Return how often each of `KINDS` occurs, and how many detections are `RIGHT`."""
    found = _best(found, truth, classes)
    rows = matched(found, truth, np.array([FOREGROUND]))[0]
    is_matched = rows != NO_OBJECT
    is_found = np.zeros(truth.labels.shape, np.bool_)
    is_found[found.images[is_matched], rows[is_matched]] = True
    is_found &= truth.counted
    is_ignored = np.zeros_like(is_matched)
    is_ignored[is_matched] = truth.ignored[found.images[is_matched], rows[is_matched]]
    wrong = ~is_matched
    found = found.only(wrong)
    same, other = (_nearest(found, truth, of_class) for of_class in (True, False))
    is_localization = (same.iou >= BACKGROUND) & (same.iou < FOREGROUND)
    is_classification = ~is_localization & (other.iou >= FOREGROUND)
    left = ~is_localization & ~is_classification
    is_duplicate = left & (same.iou >= FOREGROUND)
    left &= ~is_duplicate
    is_background = left & (np.maximum(same.iou, other.iou) <= BACKGROUND)
    is_both = left & ~is_background
    is_covered = is_found.copy()
    for nearest, kind in ((same, is_localization), (other, is_classification)):
        is_covered[found.images[kind], nearest.rows[kind]] = True
    return {
        RIGHT: int((is_matched & ~is_ignored).sum()),
        "classification": int(is_classification.sum()),
        "localization": int(is_localization.sum()),
        "both": int(is_both.sum()),
        "duplicate": int(is_duplicate.sum()),
        "background": int(is_background.sum()),
        "missed": int((truth.counted & ~is_covered).sum()),
    }


def _best(found: Found, truth: Truth, classes: int) -> Found:
    """Return the best-scored detections of each class, as many as it has objects."""
    kept: Bools = np.zeros(len(found.images), np.bool_)
    for label in range(classes):
        objects = int((truth.counted & (truth.labels == label)).sum())
        (places,) = np.nonzero(found.labels == label)
        kept[places[np.argsort(-found.scores[places], kind="stable")][:objects]] = True
    return found.only(kept)


def _nearest(found: Found, truth: Truth, of_class: bool) -> _Nearest:
    """Return the objects to be found of a detection's class, or of other classes, nearest to it."""
    best, rows = np.zeros(len(found.images)), np.zeros(len(found.images), np.int64)
    if truth.labels.shape[1]:
        for part, iou in overlaps(found, truth):
            images = found.images[part]
            is_same = truth.labels[images] == found.labels[part][:, None]
            is_wanted = truth.counted[images] & (is_same if of_class else ~is_same)
            iou = np.where(is_wanted, iou, 0.0)
            best[part], rows[part] = iou.max(axis=1), iou.argmax(axis=1)
    return _Nearest(best, rows)
