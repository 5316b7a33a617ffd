"""Metrics of a classifier, from its probabilities and the labels of the same images.

Each takes ``(n, classes)`` float64, rows that add up to one, and ``(n,)`` int64.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cnnbench.metrics import Metric, QualityMetric

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_TASK = "classification"
_ECE_BINS = 15
_TOP5_FROM_CLASSES = 10  # with fewer, five guesses are most of the classes


def top_k(probs: Floats, labels: Ints, k: int) -> float:
    """Share of images whose class is among the ``k`` most probable; ties go to the lower index.

    ``argmax`` resolves ties, which are frequent after rounding to int8, in the same way.
    """
    own = probs[np.arange(len(labels)), labels][:, None]
    is_before = np.arange(probs.shape[1]) < labels[:, None]
    ahead = (probs > own) | ((probs == own) & is_before)
    return float((ahead.sum(axis=1) < k).mean())


def top1(probs: Floats, labels: Ints) -> float:
    """Share of images whose most probable class is right."""
    return top_k(probs, labels, 1)


def top5(probs: Floats, labels: Ints) -> float | None:
    """Share of images whose class is among the five most probable; None below ten classes."""
    return top_k(probs, labels, 5) if probs.shape[1] >= _TOP5_FROM_CLASSES else None


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


TOP1 = QualityMetric(
    Metric("top1", "fraction", "higher", "setting", title="Top-1", group="Accuracy", is_share=True),
    _TASK,
    top1,
)
TOP5 = QualityMetric(
    Metric(
        "top5",
        "fraction",
        "higher",
        "setting",
        title="Top-5",
        group="Accuracy",
        rank=2,
        is_share=True,
    ),
    _TASK,
    top5,
)
ECE = QualityMetric(
    Metric("ece", "fraction", "lower", "setting", title="Calibration error"),
    _TASK,
    calibration_error,
)
LOSS = QualityMetric(
    Metric("loss", "ratio", "lower", "setting", title="Loss"), _TASK, cross_entropy
)
