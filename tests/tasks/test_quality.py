"""Scores by hand: four images, three classes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cnnbench.errors import JobFailed
from cnnbench.tasks.classification import quality
from cnnbench.tasks.classification.objective import probabilities
from cnnbench.tasks.classification.outputs import Kind
from cnnbench.tasks.classification.quality import answers_of
from cnnbench.tasks.task import evaluate_all
from tests.records import record

PROBS = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.5, 0.3, 0.2], [0.2, 0.2, 0.6]])
LABELS = np.array([0, 1, 1, 2])


def metrics(probs: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    return evaluate_all("classification", probs, labels)


def test_top1_and_top2() -> None:
    assert quality.top_k(PROBS, LABELS, 1) == 0.75  # the third is wrong
    assert quality.top_k(PROBS, LABELS, 2) == 1.0


def test_of_equals_the_first_counts_as_argmax_has_it() -> None:
    equal = np.full((10, 10), 0.1)
    assert quality.top_k(equal, np.arange(10), 1) == 0.1
    assert quality.top_k(equal, np.arange(10), 5) == 0.5
    assert metrics(equal, np.arange(10))["top1"] == (equal.argmax(1) == np.arange(10)).mean()


def test_a_softmax_that_int8_rounded_to_nothing_has_no_preference() -> None:
    rounded = probabilities(np.array([[0.0, 0.0, 0.0, 0.0], [0.5, 0.25, 0.0, 0.0]]), "softmax")
    assert rounded[0] == pytest.approx(np.full(4, 0.25))
    assert rounded[1] == pytest.approx([2 / 3, 1 / 3, 0, 0])
    assert math.isfinite(metrics(rounded, np.array([3, 0]))["loss"])


def test_cross_entropy_is_the_mean_of_minus_log() -> None:
    by_hand = -(math.log(0.7) + math.log(0.8) + math.log(0.3) + math.log(0.6)) / 4
    assert quality.cross_entropy(PROBS, LABELS) == pytest.approx(by_hand)


def test_calibration_error_by_hand() -> None:
    # Two bins, (0, .5] and (.5, 1]: in the first 0.5 confident, wrong; in the second 0.7, 0.8 and
    # 0.6, all right. |0 - 0.5| * 1/4 + |3 - 2.1| / 3 * 3/4 = 0.125 + 0.225
    assert quality.calibration_error(PROBS, LABELS, bins=2) == pytest.approx(0.35)


def test_a_perfectly_sure_and_right_network_is_calibrated() -> None:
    assert quality.calibration_error(np.eye(3), np.arange(3)) == 0.0


def test_confusion_has_labels_in_rows() -> None:
    matrix = quality.confusion(PROBS.argmax(axis=1), LABELS, 3)
    assert matrix.tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]


def test_logits_become_probabilities_without_overflow() -> None:
    probs = probabilities(np.array([[1000.0, 1000.0], [0.0, math.log(3)]]), "logits")
    assert probs == pytest.approx(np.array([[0.5, 0.5], [0.25, 0.75]]))


@pytest.mark.parametrize("kind", ["logits", "softmax", "sigmoids"])
def test_what_is_no_number_is_never_judged(kind: Kind) -> None:
    """A row of NaN would have every class among its first five."""
    with pytest.raises(JobFailed, match="its outputs are not finite"):
        probabilities(np.array([[0.1, 0.9], [np.nan, np.nan]]), kind)


def test_top5_only_where_it_means_something() -> None:
    assert "top5" not in metrics(PROBS, LABELS)
    assert metrics(np.eye(10), np.arange(10))["top5"] == 1.0


def test_details_keep_which_images_were_right_in_a_few_bytes() -> None:
    found = quality.details(PROBS, LABELS)
    setting = {"dataset": "digits", "recipe": "scratch", "image_size": 8}
    read = answers_of(record("A", "accuracy", setting=setting, details=found))
    assert read is not None and read.values.tolist() == [True, True, False, True]
    assert (found["n_test"], found["n_correct"], found["chance"]) == (4, 3, 0.5)
    big = quality.details(np.tile(np.eye(10), (1000, 1)), np.tile(np.arange(10), 1000))
    assert len(big["correct"]) == 1668  # 1,250 bytes in base64
