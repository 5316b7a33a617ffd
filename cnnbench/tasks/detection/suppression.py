"""Non-max suppression of each class, by TensorFlow's own operation, inside an exportable graph.

Boxes of different classes must not suppress one another, and the operation knows no classes: each
class gets a place of its own, far from the others, and the boxes are shifted there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnnbench.data.annotations import NO_OBJECT

# From the place of one class to the next, in images: boxes reach out of the image, and not so far.
_APART = 4.0


@dataclass(frozen=True)
class Suppression:
    """Settings that decide which boxes are the answer.

    Attributes:
        score_threshold: answers have a score above it.
        iou_threshold: of two boxes of a class with a larger IoU only the better one is kept.
        most: answers for an image.
        candidates: boxes of an image, over all classes, that are compared: those with the highest
            scores.
    """

    score_threshold: float = 0.001
    iou_threshold: float = 0.5
    most: int = 100
    candidates: int = 1000


def suppressed(boxes: Any, scores: Any, settings: Suppression) -> dict[str, Any]:
    """Return the answers of a batch, best first, in TensorFlow.

    Args:
        boxes: float32 ``(n, N, 4)``: ``y0 x0 y1 x1`` in fractions of the image.
        scores: float32 ``(n, N, classes)``, of known N and number of classes.
        settings: which are kept.

    Returns:
        ``boxes`` float32 ``(n, most, 4)``, ``scores`` float32 ``(n, most)`` and ``labels`` int32
        ``(n, most)``; `NO_OBJECT` and zeros fill up. With n known to be 1 the graph has no loop.
    """
    import tensorflow as tf

    if boxes.shape[0] == 1:
        found = of_image(boxes[0], scores[0], settings)
        return {name: one[None] for name, one in found.items()}
    signature = {
        "boxes": tf.TensorSpec((settings.most, 4), tf.float32),
        "scores": tf.TensorSpec((settings.most,), tf.float32),
        "labels": tf.TensorSpec((settings.most,), tf.int32),
    }

    def one(pair: tuple[Any, Any]) -> Any:
        return of_image(pair[0], pair[1], settings)

    answers: dict[str, Any] = tf.map_fn(one, (boxes, scores), fn_output_signature=signature)
    return answers


def of_image(boxes: Any, scores: Any, settings: Suppression) -> dict[str, Any]:
    """Return `suppressed` of one image: boxes ``(N, 4)``, scores ``(N, classes)``."""
    import tensorflow as tf

    count, classes = int(scores.shape[0]), int(scores.shape[1])
    best, places = tf.math.top_k(
        tf.reshape(scores, (-1,)), k=min(settings.candidates, count * classes)
    )
    labels = places % classes
    chosen = tf.gather(boxes, places // classes)
    corner = tf.gather(tf.constant(_corners(classes)), labels)
    kept, kept_scores, found = tf.raw_ops.NonMaxSuppressionV5(
        boxes=chosen + corner,
        scores=best,
        max_output_size=settings.most,
        iou_threshold=settings.iou_threshold,
        score_threshold=settings.score_threshold,
        soft_nms_sigma=0.0,
        pad_to_max_output_size=True,
    )
    is_found = tf.range(settings.most) < found
    return {
        "boxes": tf.where(is_found[:, None], tf.gather(chosen, kept), 0.0),
        "scores": tf.where(is_found, kept_scores, 0.0),
        "labels": tf.where(is_found, tf.gather(labels, kept), NO_OBJECT),
    }


def _corners(classes: int) -> np.ndarray:
    """Return the place of each class, ``(classes, 4)``: a square of them around 0.

    In a row the places of many classes would be so far that float32 rounds their boxes.
    """
    side = math.ceil(math.sqrt(classes))
    down, right = np.divmod(np.arange(classes), side)
    place = (np.stack([down, right], axis=1) - (side - 1) / 2) * _APART
    return np.tile(place, 2).astype(np.float32)
