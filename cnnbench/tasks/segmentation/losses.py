"""Loss and watched metric of a segmentation network, as Keras takes them.

Targets are the class of each pixel, integers ``(n, h, w)``: 0 for the background, `IGNORED` where
a pixel is neither right nor wrong. The loss is a mean over the other pixels of a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cnnbench.data.annotations import IGNORED
from cnnbench.tasks.classification.outputs import Kind

_LEAST = 1e-7  # probability whose logarithm is taken


def log_probabilities(given: Any, kind: Kind) -> Any:
    """Return the logarithms of the probabilities of the classes, ``(n, h, w, classes)``.

    Args:
        given: a network's output. A single channel is the score of the second of two classes;
            independent probabilities are normalised.
        kind: of the output.
    """
    import tensorflow as tf

    given = tf.convert_to_tensor(given)
    if kind in ("logits", "logit"):
        logits = given if kind == "logits" else tf.concat([tf.zeros_like(given), given], axis=-1)
        return tf.nn.log_softmax(logits)
    shares = given if kind != "sigmoid" else tf.concat([1 - given, given], axis=-1)
    shares = tf.maximum(shares, _LEAST)
    return tf.math.log(shares / tf.reduce_sum(shares, axis=-1, keepdims=True))


def loss(
    kind: Kind,
    classes: int,
    weights: Sequence[float] | str = "none",
    dice_weight: float = 0.0,
    label_smoothing: float = 0.0,
) -> Callable[[Any, Any], Any]:
    """Return the loss of a batch: cross-entropy, plus the Dice loss where it has a weight.

    Args:
        kind: of the network's output.
        classes: their number, the background included.
        weights: of the classes in the cross-entropy: a number each, ``none`` or ``balanced``.
        dice_weight: of the Dice loss.
        label_smoothing: share of a pixel's target that all classes have alike.
    """
    import tensorflow as tf

    def segmentation_loss(targets: Any, given: Any) -> Any:
        logs = log_probabilities(given, kind)
        labels = tf.cast(targets, tf.int32)
        # All zeros for a pixel that does not count.
        wanted = tf.one_hot(tf.where(labels == IGNORED, -1, labels), classes, dtype=logs.dtype)
        counted = tf.reduce_sum(wanted, axis=-1)
        each = -tf.reduce_sum(wanted * logs, axis=-1)
        if label_smoothing:
            even = -tf.reduce_mean(logs, axis=-1) * counted
            each = (1 - label_smoothing) * each + label_smoothing * even
        if weights != "none":
            of_class = _of_class(weights, wanted)
            counted = tf.reduce_sum(wanted * of_class, axis=-1)
            each = each * counted
        entropy = tf.math.divide_no_nan(tf.reduce_sum(each), tf.reduce_sum(counted))
        if not dice_weight:
            return entropy
        return entropy + dice_weight * dice(wanted, tf.exp(logs))

    return segmentation_loss


def dice(wanted: Any, given: Any) -> Any:
    """Return the Dice loss of a batch, in 0..1, a mean over the classes that occur in it.

    Milletari, Navab and Ahmadi 2016 (arXiv:1606.04797), with plain sums in the denominator. The
    overlap is that of the whole batch, as a class is in few of its images.

    Args:
        wanted: one-hot classes ``(n, h, w, classes)``; zeros where a pixel does not count.
        given: probabilities of the classes, likewise.
    """
    import tensorflow as tf

    axes = (0, 1, 2)
    given = given * tf.reduce_sum(wanted, axis=-1, keepdims=True)
    there = tf.reduce_sum(wanted, axis=axes)
    common, found = tf.reduce_sum(wanted * given, axis=axes), tf.reduce_sum(given, axis=axes)
    overlap = tf.math.divide_no_nan(2 * common, there + found)
    known = tf.cast(there > 0, overlap.dtype)
    return tf.math.divide_no_nan(tf.reduce_sum((1 - overlap) * known), tf.reduce_sum(known))


def _of_class(weights: Sequence[float] | str, wanted: Any) -> Any:
    """Return the weight of each class: as given, or such that all in the batch weigh the same."""
    import tensorflow as tf

    if isinstance(weights, str):
        return tf.math.divide_no_nan(1.0, tf.reduce_sum(wanted, axis=(0, 1, 2)))
    return tf.constant(weights, wanted.dtype)


def mean_iou(kind: Kind, counted: Sequence[bool]) -> Any:
    """Return a Keras metric ``segmentation_miou``: from one confusion matrix over all batches.

    Args:
        kind: of the network's output.
        counted: of each class, the background first: False for one that is left out.
    """
    import tensorflow as tf

    classes = len(counted)

    class SegmentationMiou(tf.keras.metrics.Metric):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(name="segmentation_miou")
            self.confusion = self.add_weight(
                name="confusion", shape=(classes, classes), initializer="zeros"
            )

        def update_state(self, targets: Any, given: Any, sample_weight: Any = None) -> None:
            labels = tf.cast(targets, tf.int32)
            if kind in ("logit", "sigmoid"):
                found = tf.cast(given[..., 0] > (0.0 if kind == "logit" else 0.5), tf.int32)
            else:
                found = tf.argmax(given, axis=-1, output_type=tf.int32)
            is_known = labels != IGNORED
            pairs = tf.boolean_mask(labels * classes + found, is_known)
            counts = tf.math.bincount(pairs, minlength=classes**2, maxlength=classes**2)
            more = tf.reshape(counts, (classes, classes))
            self.confusion.assign_add(tf.cast(more, self.confusion.dtype))

        def result(self) -> Any:
            confusion = tf.convert_to_tensor(self.confusion)
            common = tf.linalg.diag_part(confusion)
            union = tf.reduce_sum(confusion, 0) + tf.reduce_sum(confusion, 1) - common
            is_there = tf.cast((union > 0) & tf.constant(counted), common.dtype)
            overlap = tf.math.divide_no_nan(common, union) * is_there
            return tf.math.divide_no_nan(tf.reduce_sum(overlap), tf.reduce_sum(is_there))

    return SegmentationMiou()
