"""Non-max suppression of each class, by TensorFlow's operation, in an exportable graph.

Boxes of different classes must not suppress one another, but the operation knows no classes: the
boxes of each class are shifted to a region of their own, far from the others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnnbench.data.annotations import NO_OBJECT

ROWS = "rows"

# Boxes extend beyond the image, which is 0..1; they are compared by what is within these limits.
_REACH = (-1.5, 2.5)
# Distance between the regions of two classes, in images: no box reaches into the next region.
_APART = _REACH[1] - _REACH[0]
_LEAST_SIDE = 1e-3  # of a compared box, in images; more than float32 rounds in any region


@dataclass(frozen=True)
class Suppression:
    """Settings of non-max suppression.

    Attributes:
        score_threshold: only boxes with a higher score are kept.
        iou_threshold: of two boxes of a class with a larger IoU, only the one with the higher score
            is kept.
        most: maximum number of detections per image.
        candidates: maximum number of boxes per image, over all classes, that are compared: those
            with the highest scores.
    """

    score_threshold: float = 0.001
    iou_threshold: float = 0.5
    most: int = 100
    candidates: int = 1000


def suppressed(
    boxes: Any, scores: Any, settings: Suppression, with_rows: bool = False
) -> dict[str, Any]:
    """Return the detections of a batch, best first, as TensorFlow tensors.

    Args:
        boxes: float32 ``(n, N, 4)``: ``y0 x0 y1 x1`` as fractions of the image.
        scores: float32 ``(n, N, classes)``; N and the number of classes are static.
        settings: thresholds and limits.
        with_rows: also return ``rows``: which of the N boxes each detection is.

    Returns:
        ``boxes`` float32 ``(n, most, 4)``, ``scores`` float32 ``(n, most)`` and ``labels`` int32
        ``(n, most)``, and ``rows`` likewise; unused entries have the label `NO_OBJECT` and zeros.
        If n is statically 1, the graph has no loop.
    """
    import tensorflow as tf

    if boxes.shape[0] == 1:
        found = of_image(boxes[0], scores[0], settings, with_rows)
        return {name: one[None] for name, one in found.items()}
    signature = {
        "boxes": tf.TensorSpec((settings.most, 4), tf.float32),
        "scores": tf.TensorSpec((settings.most,), tf.float32),
        "labels": tf.TensorSpec((settings.most,), tf.int32),
    }
    if with_rows:
        signature[ROWS] = tf.TensorSpec((settings.most,), tf.int32)

    def one(pair: tuple[Any, Any]) -> Any:
        return of_image(pair[0], pair[1], settings, with_rows)

    answers: dict[str, Any] = tf.map_fn(one, (boxes, scores), fn_output_signature=signature)
    return answers


def of_image(
    boxes: Any, scores: Any, settings: Suppression, with_rows: bool = False
) -> dict[str, Any]:
    """Return the detections of one image: boxes ``(N, 4)``, scores ``(N, classes)``."""
    import tensorflow as tf

    count, classes = int(scores.shape[0]), int(scores.shape[1])
    best, places = tf.math.top_k(
        tf.reshape(scores, (-1,)), k=min(settings.candidates, count * classes)
    )
    labels = places % classes
    chosen = tf.gather(boxes, places // classes)
    corner = tf.gather(tf.constant(_corners(classes)), labels)
    kept, kept_scores, found = tf.raw_ops.NonMaxSuppressionV5(
        boxes=_compared(chosen) + corner,
        scores=best,
        max_output_size=settings.most,
        iou_threshold=settings.iou_threshold,
        score_threshold=settings.score_threshold,
        soft_nms_sigma=0.0,
        pad_to_max_output_size=True,
    )
    is_found = tf.range(settings.most) < found
    answers = {
        "boxes": tf.where(is_found[:, None], tf.gather(chosen, kept), 0.0),
        "scores": tf.where(is_found, kept_scores, 0.0),
        "labels": tf.where(is_found, tf.gather(labels, kept), NO_OBJECT),
    }
    if with_rows:
        answers[ROWS] = tf.where(is_found, tf.gather(places // classes, kept), 0)
    return answers


def _compared(boxes: Any) -> Any:
    """Return the boxes as they are compared: within reach, and of some size in both directions.

    A box without area overlaps nothing, itself included, and LiteRT's operation, which takes a
    chosen box out by its overlap with itself, chooses it again and again.
    """
    import tensorflow as tf

    start, end = tf.split(tf.clip_by_value(boxes, *_REACH), 2, axis=-1)
    start = tf.minimum(start, _REACH[1] - _LEAST_SIDE)
    return tf.concat([start, tf.maximum(end, start + _LEAST_SIDE)], axis=-1)


def _corners(classes: int) -> np.ndarray:
    """Return the offset of each class, ``(classes, 4)``, on a square grid around 0.

    In a single row, the offsets of many classes would be so large that float32 rounds their boxes.
    """
    side = math.ceil(math.sqrt(classes))
    down, right = np.divmod(np.arange(classes), side)
    place = (np.stack([down, right], axis=1) - (side - 1) / 2) * _APART
    return np.tile(place, 2).astype(np.float32)
