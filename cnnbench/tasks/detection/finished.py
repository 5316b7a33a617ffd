"""Detectors with decoding and non-max suppression in a last layer, for export as one file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import tensorflow as tf

from cnnbench.data.annotations import NO_OBJECT
from cnnbench.models import output_names
from cnnbench.tasks.detection.codings import stated
from cnnbench.tasks.detection.suppression import Suppression, suppressed

LAYER = "answers"
_TIE = 1e-4  # scores that differ by less are equal


@tf.keras.utils.register_keras_serializable(package="cnnbench")
class Answers(tf.keras.layers.Layer):  # type: ignore[misc]
    """Turn a detector's outputs into ``boxes``, ``scores`` and ``labels``, best first.

    Args:
        encoding: encoding of the outputs, as `stated.of_network` returns it.
        suppression: the fields of a `Suppression`.
    """

    def __init__(self, encoding: str, suppression: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.encoding, self.suppression = encoding, dict(suppression)

    def call(self, inputs: Any) -> Any:
        coder = stated.coder(self.encoding)
        return suppressed(*coder.decoded(inputs), Suppression(**self.suppression))

    def get_config(self) -> dict[str, Any]:
        own = {"encoding": self.encoding, "suppression": dict(self.suppression)}
        return {**super().get_config(), **own}


def finished(network: Any, settings: Suppression) -> Any:
    """Return a ``keras.Model`` from images to detections that shares the layers of ``network``."""
    layer = Answers(stated.of_network(network), asdict(settings), name=LAYER)
    return tf.keras.Model(network.input, layer(output_names.of(network)), name=network.name)


def difference(
    outputs: Sequence[np.ndarray], expected: Sequence[np.ndarray]
) -> tuple[float, float]:
    """Return the largest difference between the detections of two copies of a finished network.

    Detections with equal scores have no order, so each is compared with the nearest one of its
    class. Those with the lowest score of a full list are not compared: others with the same score
    may have been kept instead.

    Args:
        outputs, expected: boxes ``(n, M, 4)``, labels ``(n, M)``, masks ``(n, M, h, w)`` if there
            are any, and scores ``(n, M)`` of each.

    Returns:
        The largest distance, of edges in fractions of the image and of scores; infinite if an
        answer is missing, NaN if a number is not finite. And the largest expected number.
    """
    if [one.shape for one in outputs] != [one.shape for one in expected]:
        return float("inf"), 1.0
    scale = max(1.0, float(np.abs(expected[0]).max()))
    images = zip(*map(_images, (outputs, expected)), strict=True)
    found = [
        _farthest(*pair) for ours, theirs in images for pair in ((ours, theirs), (theirs, ours))
    ]
    return float(np.max(found)), scale  # `max` would lose a NaN that is not the first


def _images(answers: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return for each image its labels ``(M,)``, and boxes, scores and masks ``(M, _)``."""
    boxes, labels, *masks, scores = answers
    flat = [one.reshape(*one.shape[:2], -1) for one in masks]
    numbers = np.concatenate([boxes, scores[..., None], *flat], axis=-1).astype(np.float64)
    return list(zip(labels, numbers, strict=True))


def _farthest(
    answers: tuple[np.ndarray, np.ndarray], others: tuple[np.ndarray, np.ndarray]
) -> float:
    """Return the largest distance of an answer to the nearest of the others."""
    labels, numbers = answers
    if not np.isfinite(numbers).all():
        return float("nan")
    is_full = NO_OBJECT not in labels
    counts = labels != NO_OBJECT
    if is_full:
        counts &= numbers[:, 4] > numbers[:, 4].min() + _TIE
    if not counts.any():
        return 0.0
    apart = np.abs(numbers[counts, None] - others[1][None]).max(axis=-1)
    apart = np.where(labels[counts, None] == others[0][None], apart, np.inf)
    return float(apart.min(axis=1).max())
