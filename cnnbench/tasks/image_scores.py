"""Scores of one network for every test image, and their form in a record.

Two networks that were evaluated on the same images are compared image by image, so that the
difficulty of an image cancels. Scores are whole numbers, whose sums are exact on every processor.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnnbench.tasks.task import Evaluated

LEVELS = 255
"""The value of a score of 1 where scores are not just right or wrong: one byte an image."""


@dataclass(frozen=True)
class ImageScores:
    """Scores of one network.

    Attributes:
        values: ``(examples,)``, whole numbers from 0 to ``scale`` in the order of the test set; of
            bool where an answer is right or wrong.
        images: hash of the test targets; empty if the record has none.
        scale: the value of a score of 1.
    """

    values: np.ndarray
    images: str
    scale: int = 1

    def is_paired_with(self, other: ImageScores) -> bool:
        """Return whether both are scores of the same test images, so that they pair by image."""
        ours, theirs = ((one.images, len(one.values), one.scale) for one in (self, other))
        return bool(self.images) and ours == theirs


def examples_of(evaluation: Evaluated) -> int:
    """Return the number of test images; 0 where the record, which may be edited, gives none."""
    examples = evaluation.details.get("n_test")
    return examples if isinstance(examples, int) and examples > 0 else 0


def packed_answers(right: np.ndarray) -> str:
    """Return bools as text: one bit an image, most significant first, in base64.

    10,000 images take 1,668 characters.
    """
    return _text(np.packbits(right))


def answers(evaluation: Evaluated, bits: str, identity: str) -> ImageScores | None:
    """Return what `packed_answers` stored as detail ``bits``; None if it is not complete.

    Args:
        evaluation: from a record.
        bits: the detail with the answers.
        identity: the detail with the hash of the test targets.
    """
    examples, packed = examples_of(evaluation), _bytes(evaluation.details.get(bits))
    if packed is None or not 0 < examples <= 8 * len(packed):
        return None
    right = np.unpackbits(packed, count=examples).astype(bool)
    return ImageScores(right, str(evaluation.details.get(identity, "")))


def packed_scores(scores: np.ndarray) -> str:
    """Return scores in 0..1 as text: the nearest of `LEVELS` steps, a byte an image, in base64.

    2,000 images take 2,668 characters; a score is off by at most 0.002.
    """
    return _text(np.rint(scores * LEVELS).astype(np.uint8))


def scores(evaluation: Evaluated, levels: str, identity: str) -> ImageScores | None:
    """Return what `packed_scores` stored as detail ``levels``; None if it is not complete."""
    examples, packed = examples_of(evaluation), _bytes(evaluation.details.get(levels))
    if packed is None or not 0 < examples <= len(packed):
        return None
    values = packed[:examples].astype(np.int64)
    return ImageScores(values, str(evaluation.details.get(identity, "")), LEVELS)


def sha256(*targets: np.ndarray) -> str:
    """Return the hash of the test targets; equal hashes mean the same images in the same order."""
    return hashlib.sha256(b"".join(one.tobytes() for one in targets)).hexdigest()


def _text(values: np.ndarray) -> str:
    return base64.b64encode(values.tobytes()).decode()


def _bytes(text: Any) -> np.ndarray | None:
    try:
        return np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
    except (TypeError, ValueError, binascii.Error):
        return None
