"""How good a network is, from its outputs on the test images. Pure arithmetic on arrays."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from cnnbench.data.pictures import Dataset, Splits
from cnnbench.errors import JobFailed
from cnnbench.tasks import outputs
from cnnbench.tasks.outputs import Kind

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_ECE_BINS = 15
_MOST_PROBLEMS = 200  # files that a record names
_TOP5_FROM_CLASSES = 10  # with fewer, five guesses are nearly all there are


def probabilities(given: Floats, kind: Kind) -> Floats:
    """``(n, classes)`` that sum to one, from what a network gave.

    Sigmoids, a probability for each class, are taken in proportion.

    A softmax in int8 knows steps of 1/256 only: of many classes that are all less probable, it
    gives every one nothing, which is no preference.

    Raises:
        JobFailed: some are no numbers; no share of right answers would tell.
    """
    given = np.asarray(given, np.float64)
    if not np.isfinite(given).all():
        raise JobFailed("its outputs are not numbers")
    probs = outputs.probabilities(given, kind)
    sums = probs.sum(axis=1, keepdims=True)
    shares = np.full_like(probs, 1 / probs.shape[1])
    return np.divide(probs, sums, out=shares, where=sums != 0)


def notes_of(dataset: Dataset | Splits, notes: Iterable[str] = ()) -> dict[str, Any]:
    """What a reader must know of the images, and of what was done with them, for a record."""
    return {
        "problems": list(dataset.problems)[:_MOST_PROBLEMS],
        "n_problems": len(dataset.problems),
        "notes": [*dataset.notes, *notes],
    }


def top_k(probs: Floats, labels: Ints, k: int) -> float:
    """Share of images whose class is among the ``k`` most probable; of equals the first counts.

    That is ``argmax``'s own rule, so that a tie, frequent where int8 rounds, is judged as a program
    that takes the ``argmax`` would see it.
    """
    own = probs[np.arange(len(labels)), labels][:, None]
    is_before = np.arange(probs.shape[1]) < labels[:, None]
    ahead = (probs > own) | ((probs == own) & is_before)
    return float((ahead.sum(axis=1) < k).mean())


def cross_entropy(probs: Floats, labels: Ints) -> float:
    """Mean negative log-likelihood, in nats."""
    own = probs[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(own, 1e-7)).mean())


def calibration_error(probs: Floats, labels: Ints, bins: int = _ECE_BINS) -> float:
    """Expected calibration error with ``bins`` equal bins of confidence.

    Guo et al., On Calibration of Modern Neural Networks, arXiv:1706.04599, equation 3.
    """
    confidence = probs.max(axis=1)
    correct = probs.argmax(axis=1) == labels
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gap = np.bincount(place, weights=correct - confidence, minlength=bins)
    return float(np.abs(gap).sum() / len(labels))


def confusion(predicted: Ints, labels: Ints, classes: int) -> Ints:
    """``[label][predicted]`` -> how many."""
    matrix = np.zeros((classes, classes), np.int64)
    np.add.at(matrix, (labels, predicted), 1)
    return matrix


def metrics(probs: Floats, labels: Ints) -> dict[str, float]:
    """``top1``, ``top5`` (with ten classes or more), ``loss``, ``ece``."""
    found = {
        "top1": top_k(probs, labels, 1),
        "loss": cross_entropy(probs, labels),
        "ece": calibration_error(probs, labels),
    }
    if probs.shape[1] >= _TOP5_FROM_CLASSES:
        found["top5"] = top_k(probs, labels, 5)
    return found


def details(probs: Floats, labels: Ints) -> dict[str, Any]:
    """What intervals and paired tests need later, small enough for a record.

    ``correct`` is one bit a test image, in the order of the test set, packed most significant
    first and written in base64 (10,000 images: 1,668 characters); ``test_labels_sha256`` says
    whether two records' bits belong to the same images.
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
    if classes <= 50:  # a larger matrix does not fit a record
        found["confusion"] = confusion(predicted, labels, classes).tolist()
    return found
