"""``+yolo``: a grid of cells; each cell detects the object whose centre lies in it."""

from __future__ import annotations

import math
from typing import Any

from cnnbench.models.heads import PREFIX, check_at_least
from cnnbench.models.heads.coding import LAYER, GridCoding, to_json
from cnnbench.models.heads.feature_maps import from_finest, size_of


class Yolo:
    """YOLO v1 (arXiv:1506.02640, sec. 2; Géron, 3rd ed., ch. 14, "You Only Look Once").

    The head uses the coarsest maps of the backbone with at least ``grid`` rows and columns. 3x3
    convolutions downsample them by 2 as long as they keep that many; ``depth`` more 3x3
    convolutions and a 1x1 convolution give the logits of each cell. The paper has two dense layers
    over the whole grid instead, on images of 448 px: see `YOLOv1`.

    Output: ``(n, rows, columns, boxes * 5 + classes)``; see `GridCoding`.
    """

    task = "detection"
    summary = "a grid of cells, each with boxes, their objectness and classes (YOLO v1)"
    takes_top = False

    def attach(
        self,
        backbone: Any,
        classes: int,
        *,
        grid: int = 7,
        boxes: int = 2,
        width: int = 128,
        depth: int = 2,
    ) -> Any:
        import tensorflow as tf

        from cnnbench.models.families.layers import conv_bn
        from cnnbench.models.families.own_layers import StateCoding

        check_at_least(1, grid=grid, boxes=boxes, width=width)
        check_at_least(0, depth=depth)
        x = from_finest(backbone, (grid, grid), "a smaller grid")[0]
        number = 0
        while min(math.ceil(size / 2) for size in size_of(x)) >= grid and max(size_of(x)) > 1:
            number += 1
            x = conv_bn(x, width, 3, strides=2, name=f"{PREFIX}halved{number}", **_LEAKY)
        for number in range(1, depth + 1):
            x = conv_bn(x, width, 3, name=f"{PREFIX}conv{number}", **_LEAKY)
        # Initially the boxes of a cell are at its centre, a quarter as wide as the image, with a
        # low objectness, since most contain no object.
        start = [0.0, 0.0, 0.0, 0.0, _DOUBT] * boxes + [0.0] * classes
        cells = tf.keras.layers.Conv2D(
            len(start),
            1,
            kernel_initializer=tf.keras.initializers.RandomNormal(stddev=0.01),
            bias_initializer=tf.keras.initializers.Constant(start),
            name=f"{PREFIX}cells",
        )(x)
        coding = GridCoding(*size_of(cells), boxes, classes)
        return StateCoding(to_json(coding), name=LAYER)(cells)


_DOUBT = -2.0  # logit of the first objectness

_LEAKY: dict[str, Any] = {"activation": "leaky_relu"}

YOLO = Yolo()
