"""Right and wrong answers of a classifier per test image, stored in records for paired tests.

One bit an image, in the order of the test set, packed most significant first and written in base64
(10,000 images: 1,668 characters).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnnbench.tasks.classification.quality import Floats, Ints
from cnnbench.tasks.task import Evaluated

_MOST_CLASSES = 50  # a larger confusion matrix is too long for a record


@dataclass(frozen=True)
class Answers:
    """Answers of one classifier.

    Attributes:
        right: ``(examples,)`` of bool, in the order of the test set.
        images: hash of the test labels; empty if the record has none.
    """

    right: np.ndarray
    images: str

    def is_paired_with(self, other: Answers) -> bool:
        """Return whether both answer for the same test images, so that they pair image by image."""
        ours, theirs = (self.images, len(self.right)), (other.images, len(other.right))
        return bool(self.images) and ours == theirs


def details(probs: Floats, labels: Ints) -> dict[str, Any]:
    """Return the details of an evaluation for a record.

    Answers in two records with the same ``test_labels_sha256`` are for the same images.
    """
    predicted = probs.argmax(axis=1)
    classes = probs.shape[1]
    found: dict[str, Any] = {
        "n_test": len(labels),
        "n_correct": int((predicted == labels).sum()),
        "chance": float(np.bincount(labels, minlength=classes).max() / len(labels)),
        "correct": base64.b64encode(np.packbits(predicted == labels).tobytes()).decode(),
        "test_labels_sha256": hashlib.sha256(labels.astype("<i8").tobytes()).hexdigest(),
    }
    if classes <= _MOST_CLASSES:
        found["confusion"] = confusion(predicted, labels, classes).tolist()
    return found


def confusion(predicted: Ints, labels: Ints, classes: int) -> Ints:
    """Return counts as ``[label][predicted]``."""
    matrix = np.zeros((classes, classes), np.int64)
    np.add.at(matrix, (labels, predicted), 1)
    return matrix


def answers_of(evaluation: Evaluated) -> Answers | None:
    """Return the answers of an evaluation; None if the record does not have all of them."""
    examples = evaluation.details.get("n_test")
    if not isinstance(examples, int) or examples < 1:
        return None
    right = _unpacked(evaluation.details.get("correct"), examples)
    if right is None:
        return None
    return Answers(right, str(evaluation.details.get("test_labels_sha256", "")))


def _unpacked(text: Any, count: int) -> np.ndarray | None:
    """Return one bool an image, or None if there are too few bits."""
    try:
        packed = np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
    except (TypeError, ValueError, binascii.Error):
        return None
    return np.unpackbits(packed, count=count).astype(bool) if 8 * len(packed) >= count else None
