"""Boxes and scores of a detector's outputs, for layers that need them inside the network.

Only operations that LiteRT, ONNX and OpenVINO have are used.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cnnbench.models.heads.coding import AnchorCoding, Coding, GridCoding

BOXES, CLASSES = "boxes", "classes"
"""Outputs of a detector with anchors."""

PER_BOX = 5
"""Values of a box of a grid: x, y, √w, √h, objectness."""

LARGEST_LOG = math.log(1000 / 16)
"""Logarithm of the largest ratio of a box's size to its anchor's, so that none is infinite."""


def decoded(coding: Coding, outputs: Any) -> tuple[Any, Any]:
    """Return boxes ``(n, N, 4)``, not clipped to the image, and scores ``(n, N, classes)``.

    Args:
        coding: how the outputs represent them.
        outputs: of the detector: one of a grid, or `BOXES` and `CLASSES`.
    """
    if isinstance(coding, GridCoding):
        return _of_grid(coding, outputs)
    return _of_anchors(coding, outputs)


def count(coding: Coding) -> int:
    """Return N, the number of boxes."""
    if isinstance(coding, GridCoding):
        return coding.rows * coding.columns * coding.boxes
    return len(coding.anchors())


def corners(coding: AnchorCoding, anchors: Any, offsets: Any) -> Any:
    """Return the boxes ``y0 x0 y1 x1`` of offsets ``(n, N, 4)`` from ``anchors``, ``(N, 4)``."""
    import tensorflow as tf

    of_place, of_size = coding.variances
    centre = offsets[:, :, :2] * (of_place * anchors[:, 2:]) + anchors[:, :2]
    half = tf.exp(tf.minimum(offsets[:, :, 2:4] * of_size, LARGEST_LOG))
    half *= anchors[:, 2:] / 2
    return tf.concat([centre - half, centre + half], axis=-1)


def _of_anchors(coding: AnchorCoding, outputs: Any) -> tuple[Any, Any]:
    import tensorflow as tf

    logits = outputs[CLASSES]
    boxes = corners(coding, coding.anchors(), outputs[BOXES])
    has_background = coding.scores == "softmax"
    return boxes, tf.nn.softmax(logits)[:, :, 1:] if has_background else tf.sigmoid(logits)


def _of_grid(coding: GridCoding, outputs: Any) -> tuple[Any, Any]:
    """Return the boxes of all cells, row by row, and objectness × probability of each class."""
    import tensorflow as tf

    cells, per_cell = coding.rows * coding.columns, coding.boxes * PER_BOX
    flat = tf.reshape(outputs, (-1, cells, per_cell + coding.classes))
    numbers = tf.reshape(flat[:, :, :per_cell], (-1, cells * coding.boxes, PER_BOX))
    numbers = tf.sigmoid(numbers)
    row, column = np.divmod(np.arange(cells).repeat(coding.boxes), coding.columns)
    x = (numbers[:, :, 0] + column.astype(np.float32)) / coding.columns
    y = (numbers[:, :, 1] + row.astype(np.float32)) / coding.rows
    wide, high = (tf.square(numbers[:, :, place]) / 2 for place in (2, 3))
    boxes = tf.stack([y - high, x - wide, y + high, x + wide], axis=-1)
    classes = tf.nn.softmax(flat[:, :, per_cell:])
    of_boxes = tf.concat([classes] * coding.boxes, axis=-1)
    of_boxes = tf.reshape(of_boxes, (-1, cells * coding.boxes, coding.classes))
    return boxes, numbers[:, :, 4:] * of_boxes
