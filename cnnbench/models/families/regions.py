"""Layers on regions of an image: proposals of a detector, RoIAlign, and their masks.

They use only operations that LiteRT, ONNX and OpenVINO have. ``tf.image.crop_and_resize`` and
``combined_non_max_suppression`` are not among these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from cnnbench.models.heads import decoding
from cnnbench.models.heads.coding import of_json, unwrapped

_LATE = 2.0  # subtracted from scores, which are at most 1, so that a box comes after all others


def taken(values: Any, places: Any) -> Any:
    """Return rows of each image, ``(n, k, ...)``: ``places`` ``(n, k)`` of ``(n, N, ...)``.

    A gather with a batch axis, which some converters do not have.
    """
    many, rest = int(values.shape[1]), [int(size) for size in values.shape[2:]]
    first = tf.range(tf.shape(places)[0])[:, None] * many
    flat = tf.reshape(values, (-1, *rest))
    return tf.gather(flat, places + first)


def excess(boxes: Any, iou: float) -> Any:
    """Return how far the overlap of every two boxes of an image exceeds an IoU, ``(n, k, k)``.

    It is the common area less ``iou`` times that of the union: positive where the IoU is larger.
    There is no quotient, whose divisor an int8 file would round to 0.

    Args:
        boxes: ``(n, k, 4)``.
        iou: the IoU.
    """
    first, last = boxes[..., :2], boxes[..., 2:]
    low = tf.maximum(first[:, :, None], first[:, None])
    high = tf.minimum(last[:, :, None], last[:, None])
    sides = tf.maximum(high - low, 0.0)
    common = sides[..., 0] * sides[..., 1]
    own = tf.maximum(last - first, 0.0)
    areas = own[..., 0] * own[..., 1]
    return common * (1.0 + iou) - (areas[:, :, None] + areas[:, None]) * iou


def best_first(
    boxes: Any, scores: Any, count: int, iou: float, is_related: Any = None
) -> tuple[Any, Any]:
    """Return the places of ``count`` boxes by descending score, near duplicates last; and scores.

    Both are ``(n, count)``; the scores are those of these boxes, 0 for near duplicates.

    Fast NMS (arXiv:1904.02689, sec. 4.3): a box is a near duplicate if any box with a higher score,
    itself a duplicate or not, overlaps it by more than ``iou``. Without a loop, it is the same in
    every runtime, for any batch.

    Args:
        boxes: ``(n, k, 4)``, by descending score.
        scores: ``(n, k)``.
        count: at most k.
        iou: the IoU.
        is_related: 1 for pairs of boxes that can be duplicates, else 0, ``(n, k, k)``; by default
            all.
    """
    many = int(boxes.shape[1])
    earlier = tf.constant(np.tri(many, k=-1, dtype=np.float32))
    found = excess(boxes, iou) * earlier
    if is_related is not None:
        found = found * is_related
    is_late = tf.cast(tf.reduce_max(found, axis=2) > 0.0, tf.float32)
    found, places = tf.math.top_k(scores - is_late * _LATE, k=count)
    return places, tf.maximum(found, 0.0)


def sample_points(
    low: Any, high: Any, count: Any, many: int, aligned: bool = True
) -> list[tuple[Any, Any]]:
    """Return the two positions of maps around every point of a box in one direction, with weights.

    Args:
        low, high: ends of the boxes as fractions of the image, ``(n, N)``.
        count: positions of the maps, a number or float32 ``(n, N)``.
        many: number of points, at even distances.
        aligned: as `RoiAlign` takes it.

    Returns:
        Twice ``(n, N, many)`` of int32 and float32; weights are 0 more than a position outside.
    """
    steps = ((np.arange(many) + 0.5) / many).astype(np.float32)
    begin, length = low * count, (high - low) * count
    if aligned:
        begin = begin - 0.5
    else:
        length = tf.maximum(length, 1.0)
    last = count - 1.0
    if not isinstance(count, float):
        last = last[..., None]
    place = begin[..., None] + length[..., None] * steps
    is_near = tf.cast(tf.abs(place - last / 2) <= last / 2 + 1, tf.float32)
    place = tf.minimum(tf.maximum(place, 0.0), last)
    before = tf.floor(place)
    after = tf.minimum(before + 1.0, last)
    weight = place - before
    return [
        (tf.cast(before, tf.int32), (1.0 - weight) * is_near),
        (tf.cast(after, tf.int32), weight * is_near),
    ]


@tf.keras.utils.register_keras_serializable(package="cnnbench")
class Proposals(tf.keras.layers.Layer):  # type: ignore[misc]
    """Choose the boxes of a detector that a second stage looks at: a fixed number of them.

    Takes the detector's outputs; returns ``rows``, int32 ``(n, count)``, the places of the chosen
    boxes in those that `decoding.decoded` returns, by descending score of their best class with
    near duplicates last; and ``boxes``, ``(n, count, 4)``. No gradient flows back through either.

    Args:
        detector: JSON values of the detector's `cnnbench.models.heads.coding.Coding`.
        count: number of boxes chosen.
        candidates: number of boxes with the highest scores that are compared, at least ``count``.
        iou: IoU above which the box with the lower score is a near duplicate.
    """

    def __init__(
        self,
        detector: Mapping[str, Any],
        count: int,
        candidates: int,
        iou: float = 0.7,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.detector = dict(detector)
        self.count, self.candidates, self.iou = count, candidates, iou

    def call(self, inputs: Any) -> Any:
        boxes, scores = decoding.decoded(of_json(self.get_config()["detector"]), inputs)
        boxes, scores = tf.stop_gradient(boxes), tf.stop_gradient(scores)
        best, places = tf.math.top_k(tf.reduce_max(scores, axis=2), k=self.candidates)
        near = taken(boxes, places)
        chosen, _ = best_first(near, best, self.count, self.iou)
        return {"rows": taken(places, chosen), "boxes": taken(near, chosen)}

    def compute_output_shape(self, input_shape: Any) -> Any:
        is_one = isinstance(input_shape, tuple | list)
        images = (input_shape if is_one else next(iter(input_shape.values())))[0]
        return {"rows": (images, self.count), "boxes": (images, self.count, 4)}

    def get_config(self) -> dict[str, Any]:
        own = {"count": self.count, "candidates": self.candidates, "iou": self.iou}
        return {**super().get_config(), "detector": unwrapped(self.detector), **own}


@tf.keras.utils.register_keras_serializable(package="cnnbench")
class RoiAlign(tf.keras.layers.Layer):  # type: ignore[misc]
    """Sample maps in regions of an image: RoIAlign (arXiv:1703.06870, sec. 3).

    Takes ``[boxes, maps, ...]``: boxes ``(n, N, 4)``, ``y0 x0 y1 x1`` as fractions of the image,
    and the maps of one or more levels, ``(n, h, w, c)``, finest first. Returns ``(n × N, size,
    size, c)``; the regions of an image follow one another. Each cell of a region is the mean of
    ``sampling`` × ``sampling`` points at its even places, each interpolated bilinearly. A point
    more than one position outside the maps is 0, as in torchvision's ``roi_align``.

    No gradient flows back through the boxes.

    Args:
        size: rows and columns of a region.
        sampling: points of a cell in each direction (torchvision's ``sampling_ratio``).
        aligned: positions of the maps are at their cells' centres. Without it, as in torchvision's
            detectors, they are at the corners, half a cell off, and a region has at least the size
            of one position.
        image: height and width of the image, px; only for several levels.
        side: a box as large as a square of this side, px, up to twice that, takes the second level,
            a larger one the next (arXiv:1612.03144, eq. 1); only for several levels.
    """

    def __init__(
        self,
        size: int,
        sampling: int = 2,
        aligned: bool = True,
        image: Sequence[int] = (),
        side: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.size, self.sampling, self.aligned = size, sampling, aligned
        self.image, self.side = tuple(image), side

    def call(self, inputs: Any) -> Any:
        boxes, *maps = inputs
        boxes = tf.stop_gradient(tf.cast(boxes, tf.float32))
        channels = int(maps[0].shape[-1])
        sizes = np.array([one.shape[1:3] for one in maps], np.float32)  # rows, columns
        places = sizes.prod(axis=1).astype(np.int32)
        firsts = np.concatenate([[0], np.cumsum(places)[:-1]]).astype(np.int32)
        flat = [tf.reshape(one, (-1, int(places[at]), channels)) for at, one in enumerate(maps)]
        table = tf.reshape(tf.concat(flat, axis=1) if len(flat) > 1 else flat[0], (-1, channels))
        start = tf.range(tf.shape(boxes)[0])[:, None] * int(places.sum())
        rows, columns, first = float(sizes[0, 0]), float(sizes[0, 1]), start
        if len(maps) > 1:
            level = self._levels(boxes, len(maps))
            rows, columns = (tf.gather(tf.constant(sizes[:, axis]), level) for axis in (0, 1))
            first = start + tf.gather(tf.constant(firsts), level)
        down = self._points(boxes[..., 0], boxes[..., 2], rows)
        right = self._points(boxes[..., 1], boxes[..., 3], columns)
        wide = tf.cast(columns, tf.int32)
        if len(maps) > 1:
            wide = wide[..., None]
        result: Any = 0.0
        for row, of_row in down:
            line = (row * wide + first[..., None])[..., None]
            for column, of_column in right:
                index = tf.reshape(line + column[..., None, :], (-1,))
                weight = tf.reshape(of_row[..., None] * of_column[..., None, :], (-1, 1))
                result += tf.gather(table, index) * tf.cast(weight, table.dtype)
        side = self.size * self.sampling
        points = tf.reshape(result, (-1, side, side, channels))
        if self.sampling == 1:
            return points
        return tf.nn.avg_pool2d(points, self.sampling, self.sampling, "VALID")

    def _points(self, low: Any, high: Any, count: Any) -> list[tuple[Any, Any]]:
        return sample_points(low, high, count, self.size * self.sampling, self.aligned)

    def _levels(self, boxes: Any, count: int) -> Any:
        """Return the level of each box, int32 ``(n, N)``."""
        sides = tf.maximum(boxes[..., 2:] - boxes[..., :2], 0.0) * np.array(self.image, np.float32)
        side = tf.sqrt(sides[..., 0] * sides[..., 1])
        # As in torchvision, a side that is a hair below a limit counts as reaching it.
        limits = np.float32(self.side * 2.0 ** np.arange(count - 1) * 2.0**-1e-6)
        return tf.reduce_sum(tf.cast(side[..., None] >= limits, tf.int32), axis=-1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        boxes, maps = input_shape[0], input_shape[1]
        regions = None if boxes[0] is None else boxes[0] * boxes[1]
        return (regions, self.size, self.size, maps[-1])

    def get_config(self) -> dict[str, Any]:
        own = {"size": self.size, "sampling": self.sampling, "aligned": self.aligned}
        levels = {"image": list(self.image), "side": self.side}
        return {**super().get_config(), **own, **levels}


@tf.keras.utils.register_keras_serializable(package="cnnbench")
class OfEachImage(tf.keras.layers.Layer):  # type: ignore[misc]
    """Arrange what was computed for every region by image: ``(n × count, ...)`` to ``(n, count,
    ...)``.

    Args:
        count: regions of an image.
    """

    def __init__(self, count: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.count = count

    def call(self, inputs: Any) -> Any:
        return tf.reshape(inputs, (-1, self.count, *inputs.shape[1:]))

    def compute_output_shape(self, input_shape: Any) -> Any:
        images = None if input_shape[0] is None else input_shape[0] // self.count
        return (images, self.count, *input_shape[1:])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "count": self.count}
