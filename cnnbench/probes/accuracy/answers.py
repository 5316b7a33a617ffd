"""Which test images a network got right, read back from its record: what paired tests compare."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnnbench.metrics import column
from cnnbench.probes.probe import setting_of
from cnnbench.record import Record


@dataclass(frozen=True)
class Answers:
    """The answers of one network.

    Attributes:
        right: ``(examples,)`` of bool, in the order of the test set.
        images: which test images, where the record says so.
    """

    right: np.ndarray
    images: str

    def is_paired_with(self, other: Answers) -> bool:
        """Whether both are answers to the same test images, so that image can stand by image."""
        return bool(self.images) and (self.images, len(self.right)) == (
            other.images,
            len(other.right),
        )


def answers_of(record: Record) -> Answers | None:
    """The answers of an evaluation; None where the record does not hold them all."""
    examples = record.details.get("n_test")
    if not isinstance(examples, int) or examples < 1:
        return None
    right = _unpacked(record.details.get("correct"), examples)
    if right is None:
        return None
    return Answers(right, str(record.details.get("test_labels_sha256", "")))


def answers_by_column(records: Iterable[Record]) -> dict[str, Answers]:
    """``top1@setting`` -> the latest answers, of the records of one row."""
    return {
        column("top1", setting_of(record).label_for("top1")): found
        for record in records
        if record.status == "ok" and (found := answers_of(record)) is not None
    }


def _unpacked(text: Any, count: int) -> np.ndarray | None:
    """One bit a test image, as the accuracy probe packs them; None if too few."""
    try:
        packed = np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
    except (TypeError, ValueError, binascii.Error):
        return None
    return np.unpackbits(packed, count=count).astype(bool) if 8 * len(packed) >= count else None
