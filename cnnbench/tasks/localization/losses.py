"""Losses and the watched metric of a localiser, as Keras takes them.

Targets of the boxes are ``(n, 5)``: ``x y w h`` and a weight, which is 0 for an image without an
object; targets of the classes are one-hot rows, of zeros for such an image. Both weigh nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cnnbench.tasks.classification.outputs import Kind

LINEAR_BELOW = 1e-3
"""Below it the square root is extended by its tangent: a network's width may be negative."""


def encoded(labels: Any, boxes: Any, classes: int) -> dict[str, Any]:
    """Return the targets of both losses.

    Args:
        labels: int tensor ``(n, 1)``; negative where there is no object.
        boxes: ``(n, 1, 4)``: ``y0 x0 y1 x1``.
        classes: their number.
    """
    import tensorflow as tf

    labels, boxes = tf.convert_to_tensor(labels)[:, 0], tf.convert_to_tensor(boxes)[:, 0]
    top, left, bottom, right = tf.unstack(tf.cast(boxes, tf.float32), axis=-1)
    weight = tf.cast(labels >= 0, tf.float32)
    centred = [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top, weight]
    return {
        "boxes": tf.stack(centred, axis=-1),
        "classes": tf.one_hot(labels, classes, dtype=tf.float32),
    }


def root(sizes: Any) -> Any:
    """Return the square root of a tensor, extended by its tangent below `LINEAR_BELOW`.

    A width of 0 or less thus has a finite gradient, which leads back to positive widths.
    """
    import tensorflow as tf

    edge = LINEAR_BELOW**0.5
    tangent = edge + (sizes - LINEAR_BELOW) / (2 * edge)
    # Not the root of the small ones: the gradient of a branch not taken is multiplied by 0.
    return tf.where(sizes > LINEAR_BELOW, tf.sqrt(tf.maximum(sizes, LINEAR_BELOW)), tangent)


def box_loss(sqrt: bool) -> Callable[[Any, Any], Any]:
    """Return the mean squared error of ``x y √w √h``, or of ``x y w h``, for each image."""
    import tensorflow as tf

    def scaled(boxes: Any) -> Any:
        if not sqrt:
            return boxes
        return tf.concat([boxes[:, :2], root(boxes[:, 2:])], axis=-1)

    def box_error(targets: Any, given: Any) -> Any:
        squares = tf.square(scaled(targets[:, :4]) - scaled(given))
        return tf.reduce_mean(squares, axis=-1) * targets[:, 4]

    return box_error


def class_loss(kind: Kind, label_smoothing: float) -> Callable[[Any, Any], Any]:
    """Return the cross-entropy for each image, binary for sigmoids and single outputs."""
    import tensorflow as tf

    losses = tf.keras.losses
    is_categorical = kind in ("softmax", "logits")
    each = losses.categorical_crossentropy if is_categorical else losses.binary_crossentropy
    options = {"from_logits": kind in ("logits", "logit"), "label_smoothing": label_smoothing}

    def class_error(labels: Any, given: Any) -> Any:
        wanted = labels[:, 1:] if kind in ("sigmoid", "logit") else labels
        return each(wanted, given, **options) * tf.reduce_sum(labels, axis=-1)

    return class_error


def mean_iou() -> Any:
    """Return a Keras metric ``mean_iou`` of encoded boxes and a network's boxes.

    It differs from ``keras.metrics.MeanIoU``, the overlap of the pixels of each class.
    """
    import tensorflow as tf

    class MeanIou(tf.keras.metrics.Mean):  # type: ignore[misc]
        def update_state(self, targets: Any, given: Any, sample_weight: Any = None) -> Any:
            weights = targets[:, 4] if sample_weight is None else targets[:, 4] * sample_weight
            return super().update_state(_iou(targets[:, :4], given), sample_weight=weights)

    return MeanIou(name="mean_iou")


def _iou(some: Any, others: Any) -> Any:
    """Return the IoU of each pair of boxes ``x y w h``, clipped to the image."""
    import tensorflow as tf

    (first, last), (other_first, other_last) = _ends(some), _ends(others)

    def area(low: Any, high: Any) -> Any:
        return tf.reduce_prod(tf.maximum(high - low, 0.0), axis=-1)

    common = area(tf.maximum(first, other_first), tf.minimum(last, other_last))
    union = area(first, last) + area(other_first, other_last) - common
    return tf.math.divide_no_nan(common, union)


def _ends(boxes: Any) -> tuple[Any, Any]:
    import tensorflow as tf

    boxes = tf.cast(boxes, tf.float32)
    centre, half = boxes[:, :2], tf.maximum(boxes[:, 2:], 0.0) / 2
    return tf.clip_by_value(centre - half, 0.0, 1.0), tf.clip_by_value(centre + half, 0.0, 1.0)
