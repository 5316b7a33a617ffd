"""The grid's targets, loss and boxes, by hand on two by two cells."""

import math

import numpy as np
import pytest
import tensorflow as tf

from cnnbench.data.annotations import NO_OBJECT
from cnnbench.models.heads.coding import GridCoding
from cnnbench.tasks.detection import DetectionOptions
from cnnbench.tasks.detection.codings.grid import GridCoder

CODER = GridCoder(GridCoding(rows=2, columns=2, boxes=2, classes=3))

# An object in the upper right cell, a second one in the same cell, one to be ignored over the
# lower left cell, and a row that fills up.
LABELS = np.array([[2, 1, 0, NO_OBJECT]])
BOXES = np.array(
    [[[0.1, 0.6, 0.3, 0.8], [0.0, 0.5, 0.4, 1.0], [0.6, 0.0, 1.0, 0.5], [0, 0, 0, 0]]], np.float32
)
IGNORED = np.array([[False, False, True, False]])
ROOT = math.sqrt(0.2)


def targets(labels=LABELS, boxes=BOXES, ignored=IGNORED):
    return CODER.targets(tf.constant(labels), tf.constant(boxes), tf.constant(ignored))


def loss(outputs, wanted=None, **options):
    found = CODER.losses(DetectionOptions(**options), 0.0)
    return np.asarray(found(targets() if wanted is None else wanted, tf.constant(outputs)))


def logit(share):
    return np.log(share / (1 - share))


def overlap_of_the_first_guess():
    """Return the IoU of the object with the box of zeros: in the cell's middle, a quarter wide."""
    # y 0.125 to 0.375 and x 0.625 to 0.875 against y 0.1 to 0.3 and x 0.6 to 0.8
    common = 0.175 * 0.175
    return common / (0.25**2 + 0.2**2 - common)


def test_cell_holds_the_object_whose_centre_is_in_it():
    found = np.asarray(targets())
    assert found.shape == (1, 2, 2, 6)
    np.testing.assert_allclose(found[0, 0, 1], [1, 0.4, 0.4, ROOT, ROOT, 2], rtol=1e-5)
    np.testing.assert_array_equal(found[0, 0, 0], np.zeros(6))


def test_cell_under_an_ignored_object_is_neither_right_nor_wrong():
    found = np.asarray(targets())
    assert found[0, :, :, 0].tolist() == [[0, 1], [-1, 0]]


def test_picture_without_objects_is_all_ground():
    empty = np.full((1, 4), NO_OBJECT), np.zeros_like(BOXES), np.zeros_like(IGNORED)
    found = np.asarray(targets(*empty))
    assert not found.any()
    no_objects = loss(np.zeros((1, 2, 2, 13), np.float32), found)
    assert no_objects == pytest.approx(0.5 * 8 * math.log(2))


def test_centre_on_the_far_edge_is_in_the_last_cell():
    found = np.asarray(targets(np.array([[1]]), np.array([[[1.0, 1, 1, 1]]]), np.array([[False]])))
    np.testing.assert_allclose(found[0, 1, 1], [1, 1, 1, 0, 0, 1])


def test_objects_that_share_a_cell_are_found():
    assert CODER.lost(LABELS, BOXES, IGNORED).tolist() == [[False, True, False, False]]


def test_loss_of_zeros_is_that_of_the_hand():
    apart = 2 * (0.5 - 0.4) ** 2 + 2 * (0.5 - ROOT) ** 2
    # Objectness is one half, at ln 2 whatever is wanted: the responsible box counts once, the other
    # one of its cell and those of the two cells of ground a half each.
    objectness = math.log(2) * (1 + 0.5 * (1 + 4))
    found = loss(np.zeros((1, 2, 2, 13), np.float32))
    assert found == pytest.approx(5 * apart + objectness + math.log(3), rel=1e-5)
    light = loss(np.zeros((1, 2, 2, 13), np.float32), coordinates_weight=1.0, no_object_weight=0.0)
    assert light == pytest.approx(apart + math.log(2) + math.log(3), rel=1e-5)


def test_objectness_is_to_be_the_overlap():
    outputs = tf.Variable(np.zeros((1, 2, 2, 13), np.float32))
    outputs[0, 0, 1, 4].assign(logit(overlap_of_the_first_guess()))
    with tf.GradientTape() as tape:
        total = CODER.losses(DetectionOptions(), 0.0)(targets(), outputs)
    slope = np.asarray(tape.gradient(total, outputs))[0, 0, 1]
    assert slope[4] == pytest.approx(0, abs=1e-6)
    assert slope[9] == pytest.approx(0.5 * 0.5), "the other box is to be no object"


def test_box_with_the_larger_overlap_is_responsible():
    outputs = np.zeros((1, 2, 2, 13), np.float32)
    outputs[0, 0, 1, 5:9] = logit(np.array([0.4, 0.4, ROOT, ROOT]))
    # Its coordinates are right and the first box is nothing: only its objectness is left.
    expected = math.log(2) * (1 + 0.5 * (1 + 4)) + math.log(3)
    assert loss(outputs) == pytest.approx(expected, rel=1e-5)


def test_decoded_targets_are_the_objects():
    rng = np.random.default_rng(3)
    centres, sizes = rng.uniform(0.02, 0.98, (20, 2)), rng.uniform(0.05, 0.9, (20, 2))
    boxes = np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1)[:, None]
    labels = rng.integers(0, 3, (20, 1))
    found = np.asarray(targets(labels, boxes.astype(np.float32), np.zeros((20, 1), bool)))
    outputs = np.full((20, 2, 2, 13), -9.0, np.float32)
    outputs[..., 5:9] = logit(np.clip(found[..., 1:5], 1e-6, 1 - 1e-6))
    outputs[..., 9] = np.where(found[..., 0] > 0, 9.0, -9.0)
    outputs[..., 10:] = 20 * np.eye(3)[found[..., 5].astype(int)]
    places, scores = map(np.asarray, CODER.decoded(tf.constant(outputs)))
    assert places.shape == (20, 8, 4) and scores.shape == (20, 8, 3)
    best = scores.max(axis=2).argmax(axis=1)
    rows = np.arange(20)
    np.testing.assert_allclose(places[rows, best], boxes[:, 0], atol=1e-5)
    assert scores[rows, best].argmax(axis=1).tolist() == labels[:, 0].tolist()
    assert (np.sort(scores.max(axis=2), axis=1)[:, -2] < 0.01).all()
