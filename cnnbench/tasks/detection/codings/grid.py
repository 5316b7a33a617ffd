"""The grid of YOLO v1 (arXiv:1506.02640): each cell detects the object whose centre lies in it.

Of the cell's boxes the one that overlaps the object most is responsible for it: its target is the
object's coordinates, and the overlap as objectness. All other boxes have a target objectness of 0.

The paper's network returns these values directly, and all losses are squared errors. Here the
network returns logits: sigmoids keep centres inside their cells and objectness in 0..1. The losses
of objectness and classes are cross-entropies, whose gradient does not vanish where a prediction is
badly wrong; that of coordinates is the squared error, of the roots of width and height, as in the
paper.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from cnnbench.data.annotations import NO_OBJECT
from cnnbench.models.heads import decoding
from cnnbench.models.heads.coding import GridCoding
from cnnbench.models.heads.decoding import PER_BOX
from cnnbench.tasks.detection import DetectionOptions
from cnnbench.tasks.detection.codings import Coder
from cnnbench.tasks.task import Shape

# Channels of the targets: the state of a cell, the object's x, y, √w and √h, and its label. States:
# with an object, without one, and ignored.
OBJECT, GROUND, NEITHER = 1.0, 0.0, -1.0


class GridCoder(Coder):
    """Targets, loss and boxes of a `GridCoding`."""

    def __init__(self, coding: GridCoding) -> None:
        self._coding = coding

    @property
    def kind(self) -> str:
        return f"a grid of {self._coding.rows} x {self._coding.columns} cells"

    def classes(self, shapes: Mapping[str, Shape]) -> int:
        return self._coding.classes

    def targets(self, labels: Any, boxes: Any, ignored: Any) -> Any:
        """Return ``(b, rows, columns, 6)``: state, x, y, √w, √h, label.

        Of several objects in one cell the first is used. A cell without an object is ignored if its
        centre lies in an ignored object.
        """
        import tensorflow as tf

        rows, columns = self._coding.rows, self._coding.columns
        boxes = tf.cast(boxes, tf.float32)
        top, left, bottom, right = tf.unstack(boxes, axis=-1)
        y, x = (top + bottom) / 2 * rows, (left + right) / 2 * columns
        row = tf.clip_by_value(tf.floor(y), 0, rows - 1)
        column = tf.clip_by_value(tf.floor(x), 0, columns - 1)
        is_known = (labels >= 0) & ~ignored
        cell = tf.cast(row * columns + column, tf.int32)
        holds = tf.one_hot(cell, rows * columns) * tf.cast(is_known, tf.float32)[..., None]
        holds *= tf.cast(tf.equal(tf.cumsum(holds, axis=1), 1.0), tf.float32)  # the first alone
        sizes = [tf.sqrt(tf.maximum(one, 0.0)) for one in (right - left, bottom - top)]
        values = tf.stack([x - column, y - row, *sizes, tf.cast(labels, tf.float32)], axis=-1)
        found = tf.einsum("bkc,bkv->bcv", holds, values)
        state = tf.reduce_sum(holds, axis=1)
        is_neither = (state < OBJECT) & self._is_inside(boxes, (labels >= 0) & ignored)
        state = tf.where(is_neither, NEITHER, state)
        whole = tf.concat([state[..., None], found], axis=-1)
        return tf.reshape(whole, (-1, rows, columns, whole.shape[-1]))

    def losses(
        self, options: DetectionOptions, label_smoothing: float
    ) -> Callable[[Any, Any], Any]:
        """Return the sum over the cells of an image, ``(b,)``."""
        import tensorflow as tf

        coding = self._coding
        cross_entropy = tf.nn.sigmoid_cross_entropy_with_logits

        def grid_loss(targets: Any, given: Any) -> Any:
            shape = (-1, coding.rows, coding.columns, coding.boxes, PER_BOX)
            numbers = tf.reshape(given[..., : coding.boxes * PER_BOX], shape)
            places, logits = tf.sigmoid(numbers[..., :4]), numbers[..., 4]
            wanted = targets[..., None, 1:5]
            has_object = tf.cast(targets[..., 0] > GROUND, tf.float32)
            overlap = tf.stop_gradient(self._iou(places, wanted))
            responsible = tf.one_hot(tf.argmax(overlap, axis=-1), coding.boxes)
            responsible *= has_object[..., None]
            apart = tf.reduce_sum(tf.square(places - wanted), axis=-1) * responsible
            # A box that is not responsible is negative, unless its cell is ignored.
            counts = tf.cast(targets[..., 0] > NEITHER, tf.float32)[..., None]
            weights = responsible + options.no_object_weight * (counts - responsible)
            objectness = cross_entropy(labels=overlap * responsible, logits=logits) * weights
            of_class = tf.one_hot(tf.cast(targets[..., 5], tf.int32), coding.classes)
            of_class = of_class * (1 - label_smoothing) + label_smoothing / coding.classes
            classes = tf.nn.softmax_cross_entropy_with_logits(
                labels=of_class, logits=given[..., coding.boxes * PER_BOX :]
            )
            of_boxes = options.coordinates_weight * apart + objectness
            of_cell = tf.reduce_sum(of_boxes, axis=-1) + classes * has_object
            return tf.reduce_sum(of_cell, axis=(1, 2))

        return grid_loss

    def decoded(self, outputs: Any) -> tuple[Any, Any]:
        """Return the boxes of all cells, row by row, and objectness × probability of each class."""
        return decoding.decoded(self._coding, outputs)

    def lost(self, labels: np.ndarray, boxes: np.ndarray, ignored: np.ndarray) -> np.ndarray:
        """Return the objects whose cell holds the centre of an earlier one."""
        size = np.array([self._coding.rows, self._coding.columns])
        cell = np.floor((boxes[..., :2] + boxes[..., 2:]) / 2 * size)
        cell = np.clip(cell, 0, size - 1) @ np.array([self._coding.columns, 1])
        cell = np.where((labels != NO_OBJECT) & ~ignored, cell, -1)
        is_same = (cell[:, :, None] == cell[:, None, :]) & (cell[:, :, None] >= 0)
        earlier = np.tril(np.ones(cell.shape[1:] * 2, np.bool_), k=-1)
        return np.asarray((is_same & earlier).any(axis=2))

    def _iou(self, some: Any, others: Any) -> Any:
        """Return the IoU of boxes ``x y √w √h`` of one cell, ``(...,)``."""
        import tensorflow as tf

        scale = np.array([self._coding.columns, self._coding.rows], np.float32)

        def ends(boxes: Any) -> tuple[Any, Any]:
            centre, half = boxes[..., :2] / scale, tf.square(boxes[..., 2:4]) / 2
            return centre - half, centre + half

        (first, last), (other_first, other_last) = ends(some), ends(others)
        low, high = tf.maximum(first, other_first), tf.minimum(last, other_last)
        common = tf.reduce_prod(tf.maximum(high - low, 0.0), axis=-1)
        areas = [tf.reduce_prod(tf.square(boxes[..., 2:4]), axis=-1) for boxes in (some, others)]
        return tf.math.divide_no_nan(common, areas[0] + areas[1] - common)

    def _is_inside(self, boxes: Any, is_wanted: Any) -> Any:
        """Return whether the centre of each cell is in one of the wanted boxes, ``(b, cells)``."""
        import tensorflow as tf

        rows, columns = self._coding.rows, self._coding.columns
        row, column = np.divmod(np.arange(rows * columns), columns)
        y, x = ((row + 0.5) / rows).astype(np.float32), ((column + 0.5) / columns).astype("f")
        top, left, bottom, right = (boxes[..., place, None] for place in range(4))
        is_in = (top <= y) & (y <= bottom) & (left <= x) & (x <= right)
        return tf.reduce_any(is_in & is_wanted[..., None], axis=1)
