"""Layers of a two-stage detector behind its box head (Mask R-CNN, arXiv:1703.06870)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from cnnbench.models.families.regions import best_first, taken
from cnnbench.models.heads.decoding import LARGEST_LOG


@tf.keras.utils.register_keras_serializable(package="cnnbench")
class BoxDetections(tf.keras.layers.Layer):  # type: ignore[misc]
    """Choose the detections among the proposals and classes of a box head: a fixed number of them.

    Takes ``[proposals, logits, offsets]``: ``(n, N, 4)``, ``(n, N, 1 + classes)``, of which the
    first is the background, and ``(n, N, 4 * (1 + classes))``, offsets ``x y w h`` of the box of
    each class from the proposal. Returns ``boxes`` ``(n, count, 4)``, clipped to the image, and
    ``scores`` ``(n, count, classes)``, 0 but for the class of each detection. They are in the order
    of their scores, near duplicates of the same class last, with a score of 0.

    Args:
        count: number of detections.
        candidates: number of pairs of proposal and class with the highest scores that are compared.
        iou: IoU above which the box with the lower score is a near duplicate.
        variances: factors of the offsets of the place, and of the size.
    """

    def __init__(
        self,
        count: int,
        candidates: int,
        iou: float = 0.5,
        variances: Sequence[float] = (0.1, 0.2),
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.count, self.candidates, self.iou = count, candidates, iou
        self.variances = tuple(variances)

    def call(self, inputs: Any) -> Any:
        proposals, logits, offsets = inputs
        many, classes = int(logits.shape[1]), int(logits.shape[2]) - 1
        scores = tf.reshape(tf.nn.softmax(logits)[:, :, 1:], (-1, many * classes))
        best, places = tf.math.top_k(scores, k=min(self.candidates, many * classes))
        labels, rows = places % classes, places // classes
        moves = tf.reshape(offsets, (-1, many * (1 + classes), 4))
        boxes = self._moved(taken(proposals, rows), taken(moves, rows * (1 + classes) + labels + 1))
        is_same = tf.cast(tf.equal(labels[:, :, None], labels[:, None]), tf.float32)
        kept, of_kept = best_first(boxes, best, self.count, self.iou, is_same)
        of_class = tf.one_hot(taken(labels, kept), classes)
        return {"boxes": taken(boxes, kept), "scores": of_kept[..., None] * of_class}

    def _moved(self, boxes: Any, moves: Any) -> Any:
        """Return boxes moved by offsets, both ``(n, k, 4)``, clipped to the image."""
        of_place, of_size = self.variances
        size = boxes[..., 2:] - boxes[..., :2]
        centre = (boxes[..., :2] + boxes[..., 2:]) / 2
        x, y, wide, high = tf.unstack(moves, axis=-1)
        centre += tf.stack([y, x], axis=-1) * of_place * size
        grown = tf.minimum(tf.stack([high, wide], axis=-1) * of_size, LARGEST_LOG)
        half = size * tf.exp(grown) / 2
        return tf.clip_by_value(tf.concat([centre - half, centre + half], axis=-1), 0.0, 1.0)

    def compute_output_shape(self, input_shape: Any) -> Any:
        first, logits = input_shape[0], input_shape[1]
        return {
            "boxes": (first[0], self.count, 4),
            "scores": (first[0], self.count, logits[-1] - 1),
        }

    def get_config(self) -> dict[str, Any]:
        own = {"count": self.count, "candidates": self.candidates, "iou": self.iou}
        return {**super().get_config(), **own, "variances": list(self.variances)}


@tf.keras.utils.register_keras_serializable(package="cnnbench")
class MaskOfClass(tf.keras.layers.Layer):  # type: ignore[misc]
    """Choose the mask of the class of each detection: ``(n, N, h, w, 1 + classes)`` to ``(…, 1)``.

    Takes ``[masks, scores]``; the class is that of the highest score, ``(n, N, classes)``, and the
    first mask is the background's.
    """

    def call(self, inputs: Any) -> Any:
        masks, scores = inputs
        of_class = tf.one_hot(tf.argmax(scores, axis=-1) + 1, masks.shape[-1], dtype=masks.dtype)
        return tf.reduce_sum(masks * of_class[:, :, None, None], axis=-1, keepdims=True)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape[0][:-1], 1)
