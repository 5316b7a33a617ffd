"""The masks' loss: of proposals that are matched with a true object.

A Keras loss sees one output and its targets, and this one needs the boxes of the masks, the true
boxes and the pixels of the objects. So the network that is fitted returns each mask with its box,
and the targets of an image are packed into one row of numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from cnnbench.models import output_names
from cnnbench.models.families.regions import sample_points, taken
from cnnbench.models.heads.mask import MASKS, PROPOSALS
from cnnbench.tasks.detection.codings import stated
from cnnbench.tasks.instance_segmentation.outputs import Facts, of_detector

_BOX = 4
_ROW = 6  # numbers of an object: its box, its label, and 1 if it counts


@tf.keras.utils.register_keras_serializable(package="cnnbench")
class MasksWithBoxes(tf.keras.layers.Layer):  # type: ignore[misc]
    """Put the box of each proposal before its mask: ``(n, N, 4 + side × side × masks)``.

    Args:
        encoding: encoding of the network's outputs.
    """

    def __init__(self, encoding: str, **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.encoding = encoding

    def call(self, inputs: Any) -> Any:
        facts = Facts.read(self.encoding)
        boxes, _ = stated.coder(facts.detector).decoded(of_detector(inputs))
        chosen = taken(tf.stop_gradient(boxes), inputs[PROPOSALS])
        flat = tf.reshape(inputs[MASKS], (-1, facts.count, facts.side**2 * facts.masks))
        return tf.concat([chosen, flat], axis=-1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        facts = Facts.read(self.encoding)
        return (input_shape[MASKS][0], facts.count, _BOX + facts.side**2 * facts.masks)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "encoding": self.encoding}


def with_boxes(network: Any, encoding: str) -> Any:
    """Return a ``keras.Model`` with the layers of ``network`` that is fitted in its place."""
    found = dict(output_names.of(network))
    masks = MasksWithBoxes(encoding, name="masks_with_boxes")(found)
    del found[PROPOSALS]
    return tf.keras.Model(network.input, {**found, MASKS: masks}, name=network.name)


def packed(targets: Any) -> Any:
    """Return the targets of the masks' loss: the objects of an image, then its pixels, ``(b, _)``.

    Args:
        targets: ``boxes`` ``(b, k, 4)``, ``labels`` and ``ignored`` ``(b, k)`` and ``instances``
            ``(b, h, w)``.
    """
    labels = targets["labels"]
    counts = tf.cast((labels >= 0) & ~targets["ignored"], tf.float32)
    columns = [targets["boxes"], tf.cast(labels, tf.float32)[..., None], counts[..., None]]
    rows = tf.concat(columns, axis=-1)
    batch = tf.shape(labels)[0]
    flat = [tf.reshape(rows, (batch, -1)), tf.reshape(targets["instances"], (batch, -1))]
    return tf.concat([tf.cast(one, tf.float32) for one in flat], axis=-1)


def mask_loss(facts: Facts, least: float) -> Callable[[Any, Any], Any]:
    """Return the binary cross-entropy of masks (arXiv:1703.06870, sec. 3), ``(b,)``.

    Each proposal that overlaps a true object by an IoU of ``least`` is to return that object's
    pixels in its box; the loss is the mean over these masks. Other proposals have none.
    """
    height, width = facts.image

    def loss(targets: Any, given: Any) -> Any:
        rows = tf.reshape(targets[:, : -height * width], (tf.shape(targets)[0], -1, _ROW))
        boxes = tf.stop_gradient(given[..., :_BOX])
        overlap = _iou(boxes, rows[..., :_BOX]) * rows[:, None, :, 5]
        best = tf.argmax(overlap, axis=2, output_type=tf.int32)
        is_object = tf.cast(tf.reduce_max(overlap, axis=2) >= least, tf.float32)
        wanted = _pixels(targets[:, -height * width :], boxes, best, facts)
        shape = (-1, facts.count, facts.side, facts.side, facts.masks)
        logits = tf.reshape(given[..., _BOX:], shape)
        if facts.masks > 1:
            labels = tf.gather(rows[..., 4], best, batch_dims=1)
            of_class = tf.one_hot(tf.cast(labels, tf.int32), facts.masks)[:, :, None, None]
            logits = tf.reduce_sum(logits * of_class, axis=-1, keepdims=True)
        errors = tf.nn.sigmoid_cross_entropy_with_logits(labels=wanted, logits=logits[..., 0])
        each = tf.reduce_mean(errors, axis=(2, 3)) * is_object
        # The mean over the batch, which Keras takes, is that over the masks with an object.
        share = tf.cast(tf.shape(each)[0], tf.float32)
        share /= tf.maximum(tf.reduce_sum(is_object), 1.0)
        return tf.reduce_sum(each, axis=1) * share

    return loss


def _iou(boxes: Any, others: Any) -> Any:
    """Return the IoU of boxes ``(b, N, 4)`` and ``(b, k, 4)``: ``(b, N, k)``."""
    first, last = boxes[:, :, None, :2], boxes[:, :, None, 2:]
    other_first, other_last = others[:, None, :, :2], others[:, None, :, 2:]

    def area(low: Any, high: Any) -> Any:
        return tf.reduce_prod(tf.maximum(high - low, 0.0), axis=-1)

    common = area(tf.maximum(first, other_first), tf.minimum(last, other_last))
    union = area(first, last) + area(other_first, other_last) - common
    return tf.math.divide_no_nan(common, union)


def _pixels(instances: Any, boxes: Any, rows: Any, facts: Facts) -> Any:
    """Return the share of an object in each cell of a box, interpolated: ``(b, N, side, side)``.

    Args:
        instances: ``(b, h * w)``, the number of the object at each pixel.
        boxes: ``(b, N, 4)``.
        rows: the row of the object of each box, ``(b, N)``.
        facts: sizes of image and masks.
    """
    height, width = facts.image
    down, right = (
        sample_points(boxes[..., axis], boxes[..., 2 + axis], float(size), facts.side)
        for axis, size in ((0, height), (1, width))
    )
    number = tf.cast(rows + 1, tf.float32)[..., None, None]
    result: Any = 0.0
    for row, of_row in down:
        for column, of_column in right:
            index = row[..., :, None] * width + column[..., None, :]
            found = tf.gather(instances, index, batch_dims=1)
            weight = of_row[..., :, None] * of_column[..., None, :]
            result += tf.cast(tf.equal(found, number), tf.float32) * weight
    return result
