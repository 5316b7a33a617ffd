"""Boxes relative to anchors: SSD's loss (arXiv:1512.02325) and RetinaNet's (arXiv:1708.02002).

An anchor is matched with the object that it overlaps most, if the overlap is large enough; the best
anchor of every object is matched with it in any case. These anchors are positive. Anchors with a
small overlap with all objects are negative. All others, and those that cover ignored objects, are
ignored in the losses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from cnnbench.models.heads import decoding
from cnnbench.models.heads.coding import AnchorCoding
from cnnbench.tasks.detection import DetectionOptions
from cnnbench.tasks.detection.codings import Coder
from cnnbench.tasks.detection.outputs import BOXES, CLASSES
from cnnbench.tasks.task import Shape

GROUND, NEITHER = -1.0, -2.0  # labels of negative and of ignored anchors
POSITIVE, NEGATIVE = 0.5, 0.4  # IoU from which an anchor is positive, below which it is negative
OVER_IGNORED = 0.5  # share of an anchor inside an ignored object from which it is ignored

_SMALLEST = 1e-6  # size of an object and probability, for logarithms and roots
_AT_ONCE = 30_000  # objects × anchors of an image; more are matched image by image
_FORCED = 2.0  # added to an IoU, so that it exceeds all others


class AnchorCoder(Coder):
    """Targets, losses and boxes of an `AnchorCoding`."""

    def __init__(self, coding: AnchorCoding) -> None:
        self._coding = coding
        self._anchors = coding.anchors()

    @property
    def kind(self) -> str:
        return f"{len(self._anchors):,} anchors"

    @property
    def _has_background(self) -> bool:
        return self._coding.scores == "softmax"

    def classes(self, shapes: Mapping[str, Shape]) -> int:
        width = shapes[CLASSES][-1] or 0
        return width - 1 if self._has_background else width

    def targets(self, labels: Any, boxes: Any, ignored: Any) -> dict[str, Any]:
        """Return ``boxes`` ``(b, N, 5)``: offsets and a weight, 1 for positive anchors, else 0; and
        ``classes`` ``(b, N, 1)``: label, `GROUND` (negative) or `NEITHER` (ignored).
        """
        import tensorflow as tf

        given = labels, tf.cast(boxes, tf.float32), ignored
        if (labels.shape[1] or 1) * len(self._anchors) <= _AT_ONCE:
            return self._matched(*given)

        def one(of_image: Any) -> Any:
            found = self._matched(*(part[None] for part in of_image))
            return {role: part[0] for role, part in found.items()}

        count = len(self._anchors)
        signature = {
            BOXES: tf.TensorSpec((count, 5), tf.float32),
            CLASSES: tf.TensorSpec((count, 1), tf.float32),
        }
        found: dict[str, Any] = tf.map_fn(one, given, fn_output_signature=signature)
        return found

    def losses(
        self, options: DetectionOptions, label_smoothing: float
    ) -> dict[str, Callable[[Any, Any], Any]]:
        """Return losses of each image, ``(b,)``, divided by the batch's positive anchors."""
        classes = (
            _multibox(options.negatives, label_smoothing)
            if self._has_background
            else _focal(options.focal_alpha, options.focal_gamma, label_smoothing)
        )
        boxes = _smooth_l1 if options.box_loss == "smooth_l1" else self._giou
        return {BOXES: _per_positive(boxes), CLASSES: classes}

    def loss_weights(self, options: DetectionOptions) -> Mapping[str, float]:
        return {BOXES: options.box_weight, CLASSES: 1.0}

    def decoded(self, outputs: Any) -> tuple[Any, Any]:
        return decoding.decoded(self._coding, outputs)

    def lost(self, labels: np.ndarray, boxes: np.ndarray, ignored: np.ndarray) -> np.ndarray:
        """Return a mask of the objects without a positive anchor: others overlap theirs more."""
        found = np.zeros(labels.shape, np.bool_)
        for row, (of_image, places, left_out) in enumerate(
            zip(labels, boxes, ignored, strict=True)
        ):
            is_known = (of_image >= 0) & ~left_out
            if is_known.sum() > 1:
                overlap = np.where(is_known[:, None], _iou_of(places, self._anchors), -1.0)
                best = overlap.argmax(axis=1)
                for index in np.flatnonzero(is_known):
                    overlap[index, best[index]] += _FORCED
                held = overlap.argmax(axis=0)[overlap.max(axis=0) >= POSITIVE]
                found[row] = is_known & ~np.isin(np.arange(len(of_image)), held)
        return found

    def _matched(self, labels: Any, boxes: Any, ignored: Any) -> dict[str, Any]:
        import tensorflow as tf

        is_known, is_ignored = (labels >= 0) & ~ignored, (labels >= 0) & ignored
        overlap, share = self._overlaps(boxes)
        overlap = tf.where(is_known[..., None], overlap, -1.0)
        best = tf.one_hot(tf.argmax(overlap, axis=2), len(self._anchors)) * _FORCED
        overlap += tf.where(is_known[..., None], best, 0.0)
        most = tf.reduce_max(overlap, axis=1)
        chosen = tf.argmax(overlap, axis=1)
        is_object = most >= POSITIVE
        covered = tf.reduce_any((share >= OVER_IGNORED) & is_ignored[..., None], axis=1)
        below = POSITIVE if self._has_background else NEGATIVE
        ground = tf.where((most < below) & ~covered, GROUND, NEITHER)
        of_anchor = tf.cast(tf.gather(labels, chosen, batch_dims=1), tf.float32)
        offsets = self._offsets(tf.gather(boxes, chosen, batch_dims=1))
        weight = tf.cast(is_object, tf.float32)[..., None]
        return {
            BOXES: tf.concat([offsets * weight, weight], axis=-1),
            CLASSES: tf.where(is_object, of_anchor, ground)[..., None],
        }

    def _overlaps(self, boxes: Any) -> tuple[Any, Any]:
        """Return the IoU of objects and anchors, and the share of anchors inside: ``(b, k, N)``."""
        import tensorflow as tf

        low, high = _corners_of(self._anchors)
        first, last = boxes[..., None, :2], boxes[..., None, 2:]
        sides = tf.maximum(tf.minimum(last, high) - tf.maximum(first, low), 0.0)
        common = sides[..., 0] * sides[..., 1]
        own = self._anchors[:, 2] * self._anchors[:, 3]
        theirs = tf.reduce_prod(tf.maximum(last - first, 0.0), axis=-1)
        return tf.math.divide_no_nan(common, own + theirs - common), common / own

    def _offsets(self, boxes: Any) -> Any:
        """Return the target offsets of boxes ``(b, N, 4)``, one for each anchor."""
        import tensorflow as tf

        centre, size = self._anchors[:, :2], self._anchors[:, 2:]
        of_place, of_size = self._coding.variances
        sizes = tf.maximum(boxes[..., 2:] - boxes[..., :2], _SMALLEST)
        place = ((boxes[..., :2] + boxes[..., 2:]) / 2 - centre) / size / of_place
        return tf.concat([place, tf.math.log(sizes / size) / of_size], axis=-1)

    def _corners(self, offsets: Any) -> Any:
        """Return the boxes ``y0 x0 y1 x1`` of offsets ``(n, N, 4)``."""
        return decoding.corners(self._coding, self._anchors, offsets)

    def _giou(self, targets: Any, given: Any) -> Any:
        """Return 1 - GIoU (arXiv:1902.09630) of each anchor's box, ``(b, N)``."""
        import tensorflow as tf

        box, wanted = self._corners(given), self._corners(targets)
        first, last, other_first, other_last = (
            corner for one in (box, wanted) for corner in (one[..., :2], one[..., 2:])
        )

        def area(low: Any, high: Any) -> Any:
            return tf.reduce_prod(tf.maximum(high - low, 0.0), axis=-1)

        common = area(tf.maximum(first, other_first), tf.minimum(last, other_last))
        union = area(first, last) + area(other_first, other_last) - common
        hull = area(tf.minimum(first, other_first), tf.maximum(last, other_last))
        overlap = tf.math.divide_no_nan(common, union)
        return 1 - overlap + tf.math.divide_no_nan(hull - union, hull)


def _per_positive(each: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    import tensorflow as tf

    def box_loss(targets: Any, given: Any) -> Any:
        weight = targets[..., 4]
        return _shared(tf.reduce_sum(each(targets, given) * weight, axis=1), weight)

    return box_loss


def _shared(of_image: Any, is_object: Any) -> Any:
    """Scale sums ``(b,)`` so that their mean is the batch's sum over its positive anchors."""
    import tensorflow as tf

    total = tf.maximum(tf.reduce_sum(is_object), 1.0)
    return of_image * tf.cast(tf.shape(of_image)[0], tf.float32) / total


def _smooth_l1(targets: Any, given: Any) -> Any:
    """Return the sum over the offsets, ``(b, N)``: the square below 1, else the distance."""
    import tensorflow as tf

    apart = tf.abs(targets[..., :4] - given)
    each = tf.where(apart < 1, 0.5 * tf.square(apart), apart - 0.5)
    return tf.reduce_sum(each, axis=-1)


def _multibox(negatives: float, label_smoothing: float) -> Callable[[Any, Any], Any]:
    """Return SSD's loss of classes: of all positive anchors and the hardest negative ones.

    There are ``negatives`` hard negatives per positive anchor of an image, or per image without
    any.
    """
    import tensorflow as tf

    def multibox_loss(targets: Any, given: Any) -> Any:
        labels, classes = targets[..., 0], given.shape[-1]
        wanted = tf.one_hot(tf.cast(tf.maximum(labels, GROUND), tf.int32) + 1, classes)
        wanted = wanted * (1 - label_smoothing) + label_smoothing / classes
        errors = tf.nn.softmax_cross_entropy_with_logits(labels=wanted, logits=given)
        is_object = tf.cast(labels >= 0, tf.float32)
        ground = tf.where(tf.equal(labels, GROUND), tf.stop_gradient(errors), -1.0)
        rank = tf.argsort(tf.argsort(ground, axis=1, direction="DESCENDING"), axis=1)
        most = negatives * tf.maximum(tf.reduce_sum(is_object, axis=1, keepdims=True), 1.0)
        is_hard = tf.equal(labels, GROUND) & (tf.cast(rank, tf.float32) < most)
        counted = errors * (is_object + tf.cast(is_hard, tf.float32))
        return _shared(tf.reduce_sum(counted, axis=1), is_object)

    return multibox_loss


def _focal(alpha: float, gamma: float, label_smoothing: float) -> Callable[[Any, Any], Any]:
    """Return the focal loss of all anchors that are not ignored."""
    import tensorflow as tf

    def focal_loss(targets: Any, given: Any) -> Any:
        labels, classes = targets[..., 0], given.shape[-1]
        hard = tf.one_hot(tf.cast(labels, tf.int32), classes)  # zeros for negative numbers
        wanted = hard * (1 - label_smoothing) + label_smoothing / 2
        errors = tf.nn.sigmoid_cross_entropy_with_logits(labels=wanted, logits=given)
        probability = tf.sigmoid(given)
        missed = hard * (1 - probability) + (1 - hard) * probability
        if gamma < 1:  # whose power has no slope at 0
            missed = tf.maximum(missed, _SMALLEST)
        weights = (hard * alpha + (1 - hard) * (1 - alpha)) * tf.pow(missed, gamma)
        counts = tf.cast(labels > NEITHER, tf.float32)
        of_image = tf.reduce_sum(tf.reduce_sum(errors * weights, axis=-1) * counts, axis=1)
        return _shared(of_image, tf.cast(labels >= 0, tf.float32))

    return focal_loss


def _corners_of(anchors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    half = anchors[:, 2:] / 2
    return anchors[:, :2] - half, anchors[:, :2] + half


def _iou_of(boxes: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """Return the IoU of boxes ``(k, 4)`` and anchors, ``(k, N)``."""
    low, high = _corners_of(anchors)
    first, last = boxes[:, None, :2], boxes[:, None, 2:]
    common = np.maximum(np.minimum(last, high) - np.maximum(first, low), 0).prod(axis=-1)
    union = anchors[:, 2:].prod(axis=1) + np.maximum(last - first, 0).prod(axis=-1) - common
    return np.divide(common, union, out=np.zeros_like(common), where=union > 0)
