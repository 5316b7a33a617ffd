"""Losses and the watched metric of segmentation, against plain NumPy and Keras."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from cnnbench.data.annotations import IGNORED
from cnnbench.tasks.segmentation import losses

KINDS = ("logits", "softmax", "sigmoids", "logit", "sigmoid")


def made(kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return targets with ignored pixels, outputs of this kind, and probabilities by NumPy."""
    rng = np.random.default_rng(0)
    single = kind in ("logit", "sigmoid")
    raw = rng.normal(size=(3, 4, 5, 1 if single else 4)).astype(np.float32)
    each = 1 / (1 + np.exp(-raw))
    powers = np.exp(raw)
    shares = powers / powers.sum(-1, keepdims=True)
    given = {"logits": raw, "logit": raw, "softmax": shares}.get(kind, each)
    if single:
        probabilities = np.concatenate([1 - each, each], -1)
    else:
        probabilities = shares if kind != "sigmoids" else each / each.sum(-1, keepdims=True)
    targets = rng.integers(0, probabilities.shape[-1], (3, 4, 5))
    targets[rng.random(targets.shape) < 0.2] = IGNORED
    return targets, given, probabilities


def plain(targets: np.ndarray, probabilities: np.ndarray, weights: np.ndarray) -> float:
    known = targets != IGNORED
    right = np.take_along_axis(probabilities[known], targets[known][:, None], -1)[:, 0]
    of_pixel = weights[targets[known]]
    return float((of_pixel * -np.log(right)).sum() / of_pixel.sum())


@pytest.mark.parametrize("kind", KINDS)
def test_cross_entropy_leaves_ignored_pixels_out(kind: str) -> None:
    targets, given, probabilities = made(kind)
    classes = probabilities.shape[-1]
    found = losses.loss(kind, classes)(tf.constant(targets), given)
    assert float(found) == pytest.approx(plain(targets, probabilities, np.ones(classes)), rel=1e-4)


def test_weights_of_classes() -> None:
    targets, given, probabilities = made("logits")
    own = np.array([0.5, 1.0, 2.0, 0.0])
    found = losses.loss("logits", 4, tuple(own))(targets, given)
    assert float(found) == pytest.approx(plain(targets, probabilities, own), rel=1e-4)
    even = 1 / np.array([(targets == label).sum() for label in range(4)])
    found = losses.loss("logits", 4, "balanced")(targets, given)
    assert float(found) == pytest.approx(plain(targets, probabilities, even), rel=1e-4)


def test_label_smoothing_is_that_of_keras() -> None:
    targets, given, _ = made("logits")
    targets = np.where(targets == IGNORED, 0, targets)
    keras = tf.keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.2)
    expected = float(keras(tf.one_hot(targets, 4), given))
    found = losses.loss("logits", 4, label_smoothing=0.2)(targets, given)
    assert float(found) == pytest.approx(expected, rel=1e-4)


def test_dice_by_hand() -> None:
    targets = np.array([[[0, 0, 1, IGNORED]]])
    given = np.log(np.array([[[[0.9, 0.1], [0.5, 0.5], [0.2, 0.8], [0.0, 1.0]]]]) + 1e-7)
    # 2 · 1.4 / (2 + 1.6) and 2 · 0.8 / (1 + 1.4); a third class, in no pixel, is left out.
    expected = ((1 - 2.8 / 3.6) + (1 - 1.6 / 2.4)) / 2
    third = np.concatenate([given, np.full((1, 1, 4, 1), -30.0)], -1)
    entropy = losses.loss("logits", 3)(targets, third)
    both = losses.loss("logits", 3, dice_weight=2.0)(targets, third)
    assert float(both - entropy) == pytest.approx(2 * expected, rel=1e-4)


def test_a_batch_without_a_pixel_that_counts_has_no_loss() -> None:
    targets = np.full((2, 3, 3), IGNORED)
    given = tf.Variable(np.random.default_rng(0).normal(size=(2, 3, 3, 4)).astype(np.float32))
    for weights in ("none", "balanced"):
        with tf.GradientTape() as tape:
            loss = losses.loss("logits", 4, weights, dice_weight=1.0)(targets, given)
        assert float(loss) == 0
        assert not np.any(tape.gradient(loss, given))


@pytest.mark.parametrize("kind", ["logits", "logit", "sigmoid"])
def test_the_watched_metric_is_one_matrix_over_all_batches(kind: str) -> None:
    targets, given, probabilities = made(kind)
    classes = probabilities.shape[-1]
    metric = losses.mean_iou(kind, [True] * classes)
    keras = tf.keras.metrics.MeanIoU(classes, ignore_class=IGNORED)
    for row in range(len(targets)):
        batch = slice(row, row + 1)
        metric.update_state(tf.constant(targets[batch]), given[batch])
        keras.update_state(targets[batch], probabilities[batch].argmax(-1))
    assert metric.name == "segmentation_miou"
    assert float(metric.result()) == pytest.approx(float(keras.result()), abs=1e-6)


def test_ignored_classes_are_not_watched() -> None:
    targets = np.array([[[1, 1, IGNORED]]])
    given = np.eye(3, dtype=np.float32)[np.array([[[1, 0, 0]]])]
    metric = losses.mean_iou("logits", [False, True, True])
    metric.update_state(targets, given)
    assert float(metric.result()) == pytest.approx(0.5)
