"""RoIAlign against its definition and TensorFlow's crops; proposals without near duplicates."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from cnnbench.models.families.regions import OfEachImage, Proposals, RoiAlign, best_first
from cnnbench.models.heads import decoding
from cnnbench.models.heads.coding import GridCoding, to_json

BOXES = np.array(
    [
        [[0.1, 0.2, 0.6, 0.7], [-0.3, -0.2, 0.4, 1.5], [0.5, 0.5, 0.52, 0.53]],
        [[0.0, 0.0, 1.0, 1.0], [0.9, 0.9, 1.4, 1.3], [0.3, 0.1, 0.95, 0.2]],
    ],
    np.float32,
)


def maps_of(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def bilinear(maps: np.ndarray, y: float, x: float) -> np.ndarray:
    """Return the value at a position of maps ``(h, w, c)``, as torchvision's kernel defines it."""
    rows, columns = maps.shape[:2]
    if y < -1 or y > rows or x < -1 or x > columns:
        return np.zeros(maps.shape[-1])
    y, x = max(y, 0.0), max(x, 0.0)
    top, left = int(y), int(x)
    if top >= rows - 1:
        top = bottom = rows - 1
        y = float(top)
    else:
        bottom = top + 1
    if left >= columns - 1:
        left = right = columns - 1
        x = float(left)
    else:
        right = left + 1
    down, along = y - top, x - left
    return (
        maps[top, left] * (1 - down) * (1 - along)
        + maps[top, right] * (1 - down) * along
        + maps[bottom, left] * down * (1 - along)
        + maps[bottom, right] * down * along
    )


def reference(
    maps: np.ndarray, box: np.ndarray, size: int, sampling: int, aligned: bool
) -> np.ndarray:
    """Return one region ``(size, size, c)``, cell by cell and point by point."""
    rows, columns, channels = maps.shape
    y0, x0, y1, x1 = (np.float64(one) for one in box * [rows, columns, rows, columns])
    offset = 0.5 if aligned else 0.0
    high, wide = y1 - y0, x1 - x0
    if not aligned:
        high, wide = max(high, 1.0), max(wide, 1.0)
    found = np.zeros((size, size, channels))
    for row in range(size):
        for column in range(size):
            for down in range(sampling):
                for right in range(sampling):
                    y = y0 - offset + (row + (down + 0.5) / sampling) * high / size
                    x = x0 - offset + (column + (right + 0.5) / sampling) * wide / size
                    found[row, column] += bilinear(maps, y, x) / sampling**2
    return found


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize(("size", "sampling"), [(7, 2), (5, 1), (2, 3)])
def test_regions_are_those_of_the_definition(size: int, sampling: int, aligned: bool) -> None:
    maps = maps_of(2, 9, 12, 3)
    found = RoiAlign(size, sampling, aligned)([BOXES, maps]).numpy().reshape(2, 3, size, size, 3)
    for image, of_image in enumerate(BOXES):
        for place, box in enumerate(of_image):
            expected = reference(maps[image], box, size, sampling, aligned)
            np.testing.assert_allclose(found[image, place], expected, atol=2e-5)


def test_inside_the_maps_regions_are_tensorflows_crops_of_the_same_points() -> None:
    maps, size = maps_of(1, 16, 20, 4), 6
    boxes = np.array([[[0.1, 0.15, 0.7, 0.9], [0.3, 0.2, 0.5, 0.45]]], np.float32)
    # The first and last point of a region are the ends of a crop, whose ends are positions.
    counts = np.array([16, 20, 16, 20])
    low, high = boxes[0, :, :2] * counts[:2], boxes[0, :, 2:] * counts[2:]
    step = (high - low) / (2 * size)
    ends = np.concatenate([low + step / 2 - 0.5, high - step / 2 - 0.5], axis=1) / (counts - 1)
    crops = tf.image.crop_and_resize(maps, ends, [0, 0], [2 * size, 2 * size])
    expected = tf.nn.avg_pool2d(crops, 2, 2, "VALID")
    found = RoiAlign(size)([boxes, maps])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_box_takes_the_level_of_its_size() -> None:
    """Of 64 px: below 16 px the first of three levels, from 32 px on the last."""
    levels = [np.full((1, 64 // step, 64 // step, 1), step, np.float32) for step in (2, 4, 8)]
    sides = np.array([8.0, 15.9, 16.0, 31.9, 32.0, 60.0], np.float32) / 64
    boxes = np.stack([0 * sides, 0 * sides, sides, sides], axis=-1)[None]
    layer = RoiAlign(3, aligned=False, image=(64, 64), side=16.0)
    found = layer([boxes, *levels]).numpy()[:, 1, 1, 0]
    np.testing.assert_array_equal(found, [2, 2, 4, 4, 8, 8])
    copy = RoiAlign.from_config(layer.get_config())
    np.testing.assert_array_equal(copy([boxes, *levels]), layer([boxes, *levels]))


def test_values_of_a_level_are_those_of_the_level_alone() -> None:
    levels = [maps_of(2, 16, 12, 3, seed=1), maps_of(2, 8, 6, 3, seed=2)]
    layer = RoiAlign(4, image=(64, 48), side=24.0)
    found = layer([BOXES, *levels]).numpy().reshape(2, 3, 4, 4, 3)
    alone = [RoiAlign(4)([BOXES, one]).numpy().reshape(2, 3, 4, 4, 3) for one in levels]
    sides = (BOXES[..., 2:] - BOXES[..., :2]) * [64, 48]
    is_large = np.sqrt(sides.prod(axis=-1)) >= 24
    assert is_large.any() and not is_large.all()
    expected = np.where(is_large[..., None, None, None], alone[1], alone[0])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_gradients_reach_the_maps_and_not_the_boxes() -> None:
    maps, boxes = tf.Variable(maps_of(1, 8, 8, 2)), tf.Variable(BOXES[:1])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(RoiAlign(3)([boxes, maps]))
    of_maps, of_boxes = tape.gradient(loss, [maps, boxes])
    assert of_boxes is None
    # Every point inside the maps gives its whole weight to them.
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(RoiAlign(3)([boxes[:, :1], maps]))
    assert float(tf.reduce_sum(tape.gradient(loss, maps))) == pytest.approx(3 * 3 * 2, rel=1e-5)
    assert np.abs(tf.convert_to_tensor(of_maps)).sum() > 0


def test_near_duplicates_come_last() -> None:
    boxes = np.array(
        [[[0, 0, 1, 1], [0, 0, 1, 0.95], [0, 0, 0.4, 0.4], [0.6, 0.6, 1, 1]]], np.float32
    )
    scores = np.array([[0.9, 0.8, 0.7, 0.6]], np.float32)
    places, kept = best_first(boxes, scores, 4, 0.7)
    np.testing.assert_array_equal(places, [[0, 2, 3, 1]])
    np.testing.assert_array_equal(kept, np.array([[0.9, 0.7, 0.6, 0]], np.float32))
    apart = 1 - np.eye(4, k=1, dtype=np.float32) - np.eye(4, k=-1, dtype=np.float32)
    found, _ = best_first(boxes, scores, 3, 0.7, apart[None])
    np.testing.assert_array_equal(found, [[0, 1, 2]])


def test_proposals_are_the_best_boxes_of_the_detector() -> None:
    coding = GridCoding(3, 3, 2, 4)
    cells = np.random.default_rng(0).normal(size=(2, 3, 3, 14)).astype(np.float32)
    boxes, scores = (one.numpy() for one in decoding.decoded(coding, cells))
    layer = Proposals(to_json(coding), 5, 18, iou=0.99)
    found = layer(tf.constant(cells))
    best = scores.max(axis=2)
    np.testing.assert_array_equal(found["rows"], np.argsort(-best, axis=1)[:, :5])
    expected = np.take_along_axis(boxes, found["rows"].numpy()[..., None], axis=1)
    np.testing.assert_array_equal(found["boxes"], expected)
    copy = Proposals.from_config(layer.get_config())
    np.testing.assert_array_equal(copy(tf.constant(cells))["rows"], found["rows"])


def test_what_was_computed_for_regions_is_arranged_by_image() -> None:
    values = np.arange(24, dtype=np.float32).reshape(6, 2, 2)
    found = OfEachImage(3)(values)
    np.testing.assert_array_equal(found, values.reshape(2, 3, 2, 2))
