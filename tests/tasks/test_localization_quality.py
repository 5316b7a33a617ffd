"""Evaluation of a localiser by hand, and what a record keeps of it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cnnbench.errors import JobFailed
from cnnbench.tasks.image_scores import LEVELS
from cnnbench.tasks.localization.quality import scores_of
from tests.records import record
from tests.tasks.localisers import NAMES, objective

LARGE, SMALL = (0.1, 0.1, 0.9, 0.9), (0.2, 0.2, 0.4, 0.4)
SETTING = {"dataset": "digits", "image_size": 8}

# Four images; the last has no object. Class and box of the others: right and exact, right and a
# quarter, wrong and exact.
TARGETS = {
    "labels": np.array([[0], [1], [1], [-1]]),
    "boxes": np.array([[LARGE], [(0, 0, 1, 1)], [SMALL], [(0, 0, 0, 0)]], np.float32),
}
OUTPUTS = {
    "boxes": np.array(
        [(0.5, 0.5, 0.8, 0.8), (0.5, 0.5, 0.5, 0.5), (0.3, 0.3, 0.2, 0.2), (0.5, 0.5, 1, 1)]
    ),
    "classes": np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.8, 0.1, 0.1], [0.1, 0.1, 0.8]]),
}


def test_metrics_by_hand_leave_out_images_without_an_object() -> None:
    found = objective().evaluate(OUTPUTS, TARGETS, "softmax")
    assert found.metrics == pytest.approx(
        {"mean_iou": (1 + 0.25 + 1) / 3, "top1": 2 / 3, "located_top1": 1 / 3}
    )
    assert list(found.notes) == ["1 test image without an object left out"]
    details = found.details
    assert (details["n_test"], details["n_correct"]) == (3, 2)
    assert details["iou_counts"] == [0, 0, 1, 0, 0, 0, 0, 0, 0, 2]
    assert details["confusion"] == [[1, 0, 0], [1, 1, 0], [0, 0, 0]]
    assert details["classes"] == list(NAMES)


def test_chance_is_what_one_constant_answer_scores() -> None:
    found = objective().evaluate(OUTPUTS, TARGETS, "softmax").details
    # The median box is the first, 0.1 to 0.9: IoUs 1, 0.64 and 0.04 / 0.64.
    assert found["chance"] == pytest.approx((1 + 0.64 + 0.0625) / 3, rel=1e-5)
    # The most frequent class is the second; of its images one overlaps by a half.
    assert found["chances"] == pytest.approx({"top1": 2 / 3, "located_top1": 1 / 3})


def test_a_record_keeps_the_scores_of_each_image() -> None:
    details = dict(objective().evaluate(OUTPUTS, TARGETS, "softmax").details)
    stored = record("A", "accuracy", setting=SETTING, details=json.loads(json.dumps(details)))
    overlap = scores_of(stored, "mean_iou")
    assert overlap is not None and overlap.scale == LEVELS
    assert overlap.values.tolist() == [255, 64, 255]  # 0.25 of 255 is 63.75
    right, located = scores_of(stored, "top1"), scores_of(stored, "located_top1")
    assert right is not None and right.values.tolist() == [True, True, False]
    assert located is not None and located.values.tolist() == [True, False, False]
    assert scores_of(stored, "loss") is None
    stored.details["iou"] = "not base64!"
    assert scores_of(stored, "mean_iou") is None


def test_the_same_images_are_known_by_labels_and_boxes() -> None:
    def identity(targets: dict[str, np.ndarray]) -> str:
        return str(objective().evaluate(OUTPUTS, targets, "softmax").details["test_objects_sha256"])

    moved = {**TARGETS, "boxes": TARGETS["boxes"] * np.float32(0.9)}
    rounded = {**TARGETS, "boxes": TARGETS["boxes"] + np.float32(1e-7)}
    relabelled = {**TARGETS, "labels": np.array([[0], [1], [2], [-1]])}
    assert identity(TARGETS) == identity(rounded)
    assert len({identity(one) for one in (TARGETS, moved, relabelled)}) == 3


def test_details_of_two_thousand_images_are_a_few_kilobytes() -> None:
    random = np.random.default_rng(0)
    edges = np.sort(random.random((2000, 1, 2, 2)), axis=2).reshape(2000, 1, 4)
    targets = {"labels": random.integers(0, 3, (2000, 1)), "boxes": edges.astype(np.float32)}
    given = {"boxes": random.random((2000, 4)), "classes": random.random((2000, 3))}
    found = objective().evaluate(given, targets, "sigmoids").details
    assert len(json.dumps(dict(found))) < 4500


def test_outputs_that_are_not_finite_are_never_judged() -> None:
    for name in OUTPUTS:
        broken = {role: values.copy() for role, values in OUTPUTS.items()}
        broken[name][0, 0] = np.nan
        with pytest.raises(JobFailed, match="its outputs are not finite"):
            objective().evaluate(broken, TARGETS, "softmax")
    with pytest.raises(JobFailed, match="a localiser returns two outputs"):
        objective().evaluate(OUTPUTS["classes"], TARGETS, "softmax")


def test_a_test_set_without_objects_is_refused() -> None:
    nothing = {**TARGETS, "labels": np.full((4, 1), -1)}
    with pytest.raises(JobFailed, match="none of the test images of things has an object"):
        objective().evaluate(OUTPUTS, nothing, "softmax")


def test_two_networks_agree_where_class_and_box_are_the_same() -> None:
    other = {role: values.copy() for role, values in OUTPUTS.items()}
    other["boxes"][1] = (0.5, 0.5, 0.9, 0.9)  # an IoU of 0.25 / 0.81
    other["classes"][2] = (0.1, 0.8, 0.1)
    assert objective().agreement(OUTPUTS, other, "softmax") == 0.5
    assert objective().agreement(OUTPUTS, OUTPUTS, "softmax") == 1.0
