"""Targets, losses and boxes of anchors, by hand on eight of them."""

import math
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from cnnbench.data.annotations import NO_OBJECT
from cnnbench.models.heads.coding import AnchorCoding, Level
from cnnbench.tasks.detection import DetectionOptions
from cnnbench.tasks.detection.codings import anchors
from cnnbench.tasks.detection.codings.anchors import AnchorCoder

# At the middle of each quarter of the image a square, and one half as high.
LEVEL = Level(2, 2, (0.5, 0.5), (0.25, 0.25), ((0.5, 0.5), (0.25, 0.5)))
SIGMOID = AnchorCoding((LEVEL,), "sigmoid")
SOFTMAX = AnchorCoding((LEVEL,), "softmax", (0.1, 0.2))

# The second is small: no anchor overlaps it by a half. The third is to be ignored.
LABELS = np.array([[1, 0, 2, NO_OBJECT]])
BOXES = np.array(
    [[[0.0, 0.0, 0.5, 0.4], [0.6, 0.6, 0.7, 0.7], [0.0, 0.5, 0.5, 1.0], [0, 0, 0, 0]]], np.float32
)
IGNORED = np.array([[False, False, True, False]])


def targets(coding, labels=LABELS, boxes=BOXES, ignored=IGNORED):
    found = AnchorCoder(coding).targets(*map(tf.constant, (labels, boxes, ignored)))
    return {role: np.asarray(one) for role, one in found.items()}


def loss(coding, role, given, wanted=None, **options):
    found = AnchorCoder(coding).losses(DetectionOptions(**options), 0.0)[role]
    wanted = targets(coding)[role] if wanted is None else wanted
    return np.asarray(found(tf.constant(wanted), tf.constant(given, tf.float32)))


def test_anchors_stand_for_what_they_overlap():
    # The first square overlaps the first object by 0.8, the flat one beside it by 0.4: neither of
    # it nor ground. The best of the small object, the flat one, stands for it all the same. Those
    # over the ignored object are neither.
    found = targets(SIGMOID)["classes"]
    assert found.shape == (1, 8, 1)
    overlap = (0.25 * 0.4) / (0.25 * 0.5 + 0.5 * 0.4 - 0.25 * 0.4)
    assert 0.4 < overlap < 0.5
    assert found[0, :, 0].tolist() == [1, -2, -2, -2, -1, -1, -1, 0]


def test_only_half_an_overlap_is_ground_with_a_background():
    assert targets(SOFTMAX)["classes"][0, :, 0].tolist() == [1, -1, -2, -2, -1, -1, -1, 0]


def test_matching_image_by_image_gives_the_same(monkeypatch):
    labels, ignored = np.repeat(LABELS, 3, axis=0), np.repeat(IGNORED, 3, axis=0)
    labels[1] = NO_OBJECT
    boxes = np.repeat(BOXES, 3, axis=0)
    at_once = targets(SIGMOID, labels, boxes, ignored)
    monkeypatch.setattr(anchors, "_AT_ONCE", 1)
    one_by_one = targets(SIGMOID, labels, boxes, ignored)
    for role, found in at_once.items():
        np.testing.assert_array_equal(one_by_one[role], found)
    assert (at_once["classes"][1] == -1).all(), "a picture without objects is ground"


@pytest.mark.parametrize("coding", [SIGMOID, SOFTMAX])
def test_decoded_targets_are_the_objects(coding):
    found = targets(coding)
    is_object = found["boxes"][0, :, 4] > 0
    assert is_object.tolist() == [True, *[False] * 6, True]
    logits = np.zeros((1, 8, 3 + (coding is SOFTMAX)), np.float32)
    outputs = {"boxes": tf.constant(found["boxes"][..., :4]), "classes": tf.constant(logits)}
    boxes, scores = map(np.asarray, AnchorCoder(coding).decoded(outputs))
    np.testing.assert_allclose(boxes[0, is_object], BOXES[0, :2], atol=1e-6)
    assert scores.shape == (1, 8, 3)
    assert scores[0, 0] == pytest.approx(0.25 if coding is SOFTMAX else 0.5)


def test_offsets_are_those_of_the_hand():
    found = targets(SOFTMAX)["boxes"][0]
    # Centre 0.25 0.2 and sizes 0.5 0.4 at the anchor 0.25 0.25 0.5 0.5.
    expected = [0, (0.2 - 0.25) / 0.5 / 0.1, 0, math.log(0.4 / 0.5) / 0.2, 1]
    np.testing.assert_allclose(found[0], expected, atol=1e-5)


def test_smooth_l1_is_shared_among_the_objects_of_the_batch():
    found = targets(SIGMOID)["boxes"]
    given = found[..., :4].copy()
    given[0, 0] += [0.5, 0, 2.0, 0]  # 0.125 and 1.5
    given[0, 7] += [0, 1.0, 0, 0]  # 0.5
    given[0, 3] += 7.0  # of no object
    assert loss(SIGMOID, "boxes", given) == pytest.approx(2.125 / 2)
    # In a batch with an empty picture both means are over the batch's two anchors.
    empty = np.zeros_like(found)
    both = loss(SIGMOID, "boxes", np.concatenate([given, given]), np.concatenate([found, empty]))
    assert both.mean() == pytest.approx(2.125 / 2)


def test_giou_is_that_of_the_hand():
    found = targets(SIGMOID)["boxes"]
    given = found[..., :4].copy()
    assert loss(SIGMOID, "boxes", given, box_loss="giou") == pytest.approx(0, abs=1e-5)
    given[0, 0, 1] += 1.0  # half an image to the right: x from 0.5 to 0.9, beside 0 to 0.4
    expected = 1 - 0 + 0.1 / 0.9
    assert loss(SIGMOID, "boxes", given, box_loss="giou") == pytest.approx(expected / 2, rel=1e-4)


def test_focal_loss_of_zeros_is_that_of_the_hand():
    each = 0.5**2 * math.log(2)
    # Two anchors of objects, four of ground; the two that are neither and the one between do not
    # count. Three classes each.
    expected = 2 * (0.25 + 2 * 0.75) * each + 3 * 3 * 0.75 * each
    ground = int((targets(SIGMOID)["classes"] == -1).sum())
    assert ground == 3
    assert loss(SIGMOID, "classes", np.zeros((1, 8, 3))) == pytest.approx(expected / 2)
    plain = loss(SIGMOID, "classes", np.zeros((1, 8, 3)), focal_alpha=0.5, focal_gamma=0.0)
    assert plain == pytest.approx(0.5 * 15 * math.log(2) / 2)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_loss_of_sure_answers_has_a_slope(gamma):
    # Sigmoids that float32 rounds to 1, of an object and of ground.
    logits = tf.Variable(np.full((1, 8, 3), 40.0, np.float32))
    found = AnchorCoder(SIGMOID).losses(DetectionOptions(focal_gamma=gamma), 0.0)["classes"]
    with tf.GradientTape() as tape:
        total = found(tf.constant(targets(SIGMOID)["classes"]), logits)
    assert np.isfinite(total).all()
    assert np.isfinite(tape.gradient(total, logits)).all()


def test_multibox_loss_takes_the_hardest_ground():
    given = np.zeros((1, 8, 4), np.float32)
    given[0, :, 0] = [0, 1, 0, 0, 2, 3, 4, 0]  # the background's logits
    wrong = [math.log(3 + math.exp(value)) - value for value in (1, 2, 3, 4)]
    objects = 2 * math.log(4)
    all_four = loss(SOFTMAX, "classes", given)
    assert all_four == pytest.approx((objects + sum(wrong)) / 2, rel=1e-5)
    one_each = loss(SOFTMAX, "classes", given, negatives=1.0)
    assert one_each == pytest.approx((objects + wrong[0] + wrong[1]) / 2, rel=1e-5)
    empty = np.full((1, 8, 1), -1, np.float32)
    of_empty = loss(SOFTMAX, "classes", given, empty, negatives=2.0)
    assert of_empty == pytest.approx(2 * math.log(4), rel=1e-5), "ground alone teaches too"


def test_object_without_an_anchor_of_its_own_is_found():
    labels, boxes = np.array([[0, 0]]), np.array([[[0.6, 0.6, 0.7, 0.7], [0.61, 0.6, 0.7, 0.7]]])
    lost = AnchorCoder(SIGMOID).lost(labels, boxes.astype("f"), np.zeros((1, 2), bool))
    assert lost.tolist() == [[True, False]], "the anchor overlaps the second one more"
    assert not AnchorCoder(SIGMOID).lost(LABELS, BOXES, IGNORED).any()


def test_sizes_have_a_bound():
    offsets = np.full((1, 8, 4), 1000.0, np.float32)
    outputs = {"boxes": tf.constant(offsets), "classes": tf.zeros((1, 8, 3))}
    assert np.isfinite(AnchorCoder(replace(SIGMOID)).decoded(outputs)[0]).all()
