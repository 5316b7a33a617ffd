"""Metrics of a segmentation: equal to Keras' and to hand-made values, with their resamples."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf
from scipy.ndimage import binary_erosion

from cnnbench.data.annotations import IGNORED
from cnnbench.errors import JobFailed
from cnnbench.metrics import QUALITY
from cnnbench.tasks.segmentation import SEGMENTATION, boundary, confusion, quality
from cnnbench.tasks.segmentation.fixed import OTHER
from cnnbench.tasks.task import Contender

NAMES = ("background", "cat", "dog", "owl")
ALL = np.ones(len(NAMES), np.bool_)


def made(seed: int, images: int = 30, side: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Return predictions and truth in blocks, with ignored pixels, of which class 3 has few."""
    rng = np.random.default_rng(seed)
    cells = rng.choice(4, (images, side // 4, side // 4), p=[0.5, 0.25, 0.24, 0.01])
    truth = np.kron(cells, np.ones((1, 4, 4), np.int64)).astype(np.uint8)
    answers = truth.copy()
    wrong = rng.random(truth.shape) < 0.2
    answers[wrong] = rng.integers(0, 4, int(wrong.sum()))
    truth[rng.random(truth.shape) < 0.05] = IGNORED
    return answers, truth


def keras_miou(answers: np.ndarray, truth: np.ndarray, ignored: int = IGNORED) -> float:
    metric = tf.keras.metrics.MeanIoU(len(NAMES), ignore_class=ignored)
    metric.update_state(truth.astype(np.int64), answers.astype(np.int64))
    return float(metric.result())


@pytest.mark.parametrize("seed", range(3))
def test_equals_keras_mean_iou(seed: int) -> None:
    answers, truth = made(seed)
    found = quality.evaluate(answers, truth, NAMES, ALL).metrics
    assert found["segmentation_miou"] == pytest.approx(keras_miou(answers, truth), abs=1e-6)
    is_known = truth != IGNORED
    assert found["pixel_accuracy"] == pytest.approx((answers == truth)[is_known].mean())


def test_equals_keras_mean_iou_where_a_class_is_in_neither() -> None:
    answers, truth = made(3)
    for maps in (answers, truth):
        maps[maps == 2] = 1
    found = quality.evaluate(answers, truth, NAMES, ALL)
    assert found.metrics["segmentation_miou"] == pytest.approx(keras_miou(answers, truth), abs=1e-6)
    assert found.details["class_iou"]["segmentation_miou"][2] is None


def test_equals_keras_with_an_ignored_class() -> None:
    answers, truth = made(4)
    answers[answers == 0] = 1  # Keras would count a predicted ignored class as a class with IoU 0
    expected = keras_miou(answers, np.where(truth == IGNORED, 0, truth), ignored=0)
    hidden = np.where(truth == 0, IGNORED, truth).astype(np.uint8)
    found = quality.evaluate(answers, hidden, NAMES, np.array([False, True, True, True]))
    assert found.metrics["segmentation_miou"] == pytest.approx(expected, abs=1e-6)


def test_a_prediction_of_an_ignored_class_is_wrong_but_no_class_of_its_own() -> None:
    truth = np.array([[[1, 1, 2, 2, IGNORED, IGNORED]]], np.uint8)
    answers = np.array([[[1, 0, 2, 2, 0, 1]]], np.uint8)
    counted = np.array([False, True, True, True])
    found = quality.evaluate(answers, truth, NAMES, counted)
    assert found.metrics["segmentation_miou"] == pytest.approx((1 / 2 + 1) / 2)
    assert found.details["class_iou"]["segmentation_miou"] == [None, 0.5, 1.0, None]


def test_what_the_data_set_does_not_have_is_never_right() -> None:
    truth = np.array([[[0, 0, 1, 1]]], np.uint8)
    answers = np.array([[[0, OTHER, 1, 1]]], np.uint8)
    found = quality.evaluate(answers, truth, NAMES, ALL)
    assert found.metrics["segmentation_miou"] == pytest.approx((1 / 2 + 1) / 2)
    assert found.metrics["pixel_accuracy"] == 0.75


def test_by_hand_from_a_confusion_matrix() -> None:
    matrix = np.array([[6, 2, 0], [1, 3, 0], [0, 0, 0]])
    assert quality.mean_iou(matrix) == pytest.approx((6 / 9 + 3 / 6) / 2)


def test_one_confusion_matrix_is_not_the_mean_of_the_images() -> None:
    truth = np.zeros((2, 1, 4), np.uint8)
    truth[1] = 1
    answers = truth.copy()
    answers[0, 0, 0] = 1
    counts, matrix = confusion.counted(truth, answers, 2)
    assert matrix.tolist() == [[3, 1], [0, 4]]
    assert counts.mean_iou(np.ones(2, np.bool_)) == pytest.approx((3 / 4 + 4 / 5) / 2)


@pytest.mark.parametrize("within", [1, 2, 4])
def test_pixels_near_a_boundary_are_those_that_erosion_removes(within: int) -> None:
    cells = np.random.default_rng(within).integers(0, 3, (3, 4, 5))
    maps = np.kron(cells, np.ones((1, 6, 5), np.int64)).astype(np.uint8)
    near = boundary.edges(maps, within)
    for image, edge in zip(maps, near, strict=True):
        for label in range(3):
            mask = image == label
            inner = binary_erosion(mask, np.ones((3, 3)), within, border_value=0)
            np.testing.assert_array_equal(mask & edge, mask & ~inner)


def test_boundary_iou_by_hand() -> None:
    truth = np.zeros((1, 40, 40), np.uint8)
    truth[0, 10:30, 10:30] = 1
    answers = np.zeros_like(truth)
    answers[0, 10:30, 11:31] = 1  # moved by one pixel
    assert boundary.distance(40, 40) == 1
    counts = boundary.counted(truth, answers, 2)
    # Two rings of 76 px share the upper and the lower side but for one pixel each.
    assert counts.iou()[1] == pytest.approx(2 * 19 / (2 * 76 - 2 * 19))
    found = quality.evaluate(answers, truth, NAMES, ALL).metrics
    assert found["boundary_iou"] < found["segmentation_miou"]


def test_a_perfect_answer_is_perfect_also_beside_ignored_pixels() -> None:
    answers, truth = made(5)
    answers[truth != IGNORED] = truth[truth != IGNORED]
    found = quality.evaluate(answers, truth, NAMES, ALL).metrics
    assert found == dict.fromkeys(found, 1.0) and len(found) == 3


def test_chance_is_the_most_frequent_class_everywhere() -> None:
    answers, truth = made(6)
    details = quality.evaluate(answers, truth, NAMES, ALL).details
    constant = quality.evaluate(np.zeros_like(truth), truth, NAMES, ALL).metrics
    assert details["chances"] == pytest.approx(constant)
    assert details["chance"] == details["chances"]["segmentation_miou"] < 0.2


def test_resamples_draw_whole_images() -> None:
    answers, truth = made(7)
    counts, _ = confusion.counted(truth, answers, len(NAMES))
    weights = np.random.default_rng(0).integers(0, 3, (2, len(truth)))
    for row, value in zip(weights, counts.mean_iou(ALL, weights), strict=True):
        copies = np.repeat(np.arange(len(truth)), row)
        drawn = quality.evaluate(answers[copies], truth[copies], NAMES, ALL)
        assert value == pytest.approx(drawn.metrics["segmentation_miou"])


def test_details_fit_in_a_record() -> None:
    answers, truth = made(8)
    found = quality.evaluate(answers, truth, NAMES, ALL)
    assert len(json.dumps(found.details)) < 10_000
    replicates = found.details["replicates"]
    assert replicates.keys() == found.metrics.keys()
    for name, values in replicates.items():
        assert len(values) == quality.RESAMPLES
        apart = abs(np.mean(values) / 1e6 - found.metrics[name])
        assert apart < 4 * np.std(values) / 1e6
    matrix = np.array(found.details["pixel_confusion"])
    assert matrix.sum(axis=1).tolist() == found.details["class_pixels"]
    assert found.notes[0].endswith("% of the test pixels ignored")


def test_intervals_cover_images_and_networks_are_compared_on_the_same_ones() -> None:
    answers, truth = made(9, images=60)
    better = np.where(np.random.default_rng(1).random(truth.shape) < 0.5, truth, answers)
    better[truth == IGNORED] = 0
    seeds = [quality.evaluate(one, truth, NAMES, ALL) for one in (answers, better)]
    judged = SEGMENTATION.judge(Contender(seeds[:1]))["segmentation_miou"]
    assert judged.low is not None and judged.high is not None
    value = seeds[0].metrics["segmentation_miou"]
    assert judged.low < value < judged.high
    gain = SEGMENTATION.gain(*seeds)
    assert gain is not None and gain[1] == 60
    assert gain[0].low > 0
    assert gain[0].low < seeds[1].metrics["segmentation_miou"] - value < gain[0].high


def test_nothing_that_counts_fails() -> None:
    truth = np.full((2, 4, 4), IGNORED, np.uint8)
    with pytest.raises(JobFailed, match="none of the pixels of the test images"):
        quality.evaluate(np.zeros_like(truth), truth, NAMES, ALL)


def test_metrics_compute_from_maps_alone() -> None:
    answers, truth = made(10)
    expected = quality.evaluate(answers, truth, NAMES, ALL).metrics
    for name, value in expected.items():
        maps = {"semantic": answers, "counted": ALL}
        assert QUALITY[name].compute(maps, {"semantic": truth}) == value
