"""Networks with decoding and NMS inside, and the comparison of their answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cnnbench.errors import JobFailed
from cnnbench.tasks.classification import CLASSIFICATION
from cnnbench.tasks.detection import DETECTION, DetectionOptions
from cnnbench.tasks.detection.finished import difference
from cnnbench.tasks.detection.objective import DetectionObjective

Found = tuple[np.ndarray, np.ndarray, np.ndarray]


def answers(*rows: tuple[int, float, float], most: int = 3) -> Found:
    """Return boxes, labels and scores of one image; a row is label, score and left edge."""
    boxes, labels = np.zeros((1, most, 4), np.float32), np.full((1, most), -1, np.int32)
    scores = np.zeros((1, most), np.float32)
    for place, (label, score, left) in enumerate(rows):
        labels[0, place], scores[0, place] = label, score
        boxes[0, place] = (0.0, left, 0.5, left + 0.2)
    return boxes, labels, scores


def test_equal_answers_in_another_order_do_not_differ() -> None:
    some = answers((1, 0.5, 0.1), (2, 0.5, 0.3))
    other = answers((2, 0.5, 0.3), (1, 0.5, 0.1))
    assert difference(some, other) == (0.0, 1.0)


def test_the_difference_is_that_of_the_farthest_answer() -> None:
    some = answers((1, 0.5, 0.1), (2, 0.4, 0.3))
    assert difference(some, answers((1, 0.5, 0.1), (2, 0.25, 0.3)))[0] == pytest.approx(0.15)
    assert difference(some, answers((1, 0.5, 0.2), (2, 0.4, 0.3)))[0] == pytest.approx(0.1)


def test_a_missing_answer_is_infinitely_far() -> None:
    some, fewer = answers((1, 0.5, 0.1), (2, 0.4, 0.3)), answers((1, 0.5, 0.1))
    assert difference(some, fewer)[0] == difference(fewer, some)[0] == np.inf
    assert difference(some, [*some[:2], some[2][:, :2]])[0] == np.inf


def test_of_equal_scores_at_the_end_of_a_full_list_any_may_be_there() -> None:
    some = answers((1, 0.5, 0.1), (2, 0.4, 0.3), most=2)
    other = answers((1, 0.5, 0.1), (3, 0.4, 0.6), most=2)
    assert difference(some, other)[0] == 0.0
    better = answers((4, 0.6, 0.1), (1, 0.5, 0.1), most=2)
    assert difference(better, some)[0] == np.inf


def test_numbers_that_are_not_finite_differ() -> None:
    some = answers((1, 0.5, 0.1))
    broken = answers((1, np.nan, 0.1))
    assert np.isnan(difference(broken, some)[0])
    assert np.isnan(difference(some, broken)[0])


def test_a_number_that_is_not_finite_is_seen_in_every_image() -> None:
    some = answers((1, 0.5, 0.1))
    two = [np.concatenate(pair) for pair in zip(some, some, strict=True)]
    broken = [np.concatenate(pair) for pair in zip(some, answers((1, np.nan, 0.1)), strict=True)]
    assert difference(two, two)[0] == 0.0
    assert np.isnan(difference(broken, two)[0])


def test_no_objects_are_equal_answers() -> None:
    assert difference(answers(), answers())[0] == 0.0


def test_other_tasks_have_no_postprocessing_to_put_inside() -> None:
    assert not CLASSIFICATION.finishes and DETECTION.finishes
    with pytest.raises(JobFailed, match="no postprocessing"):
        CLASSIFICATION.finished(None)


def ready_boxes() -> Any:
    """Return a network that returns boxes and scores as they are in its images."""
    import tensorflow as tf

    images = tf.keras.Input((5, 6, 1))
    rows = tf.keras.layers.Reshape((5, 6))(images)
    boxes = tf.keras.layers.Cropping1D((0, 0), name="all")(rows)[:, :, :4]
    return tf.keras.Model(images, {"boxes": boxes, "scores": rows[:, :, 4:]})


@pytest.mark.parametrize("count", [1, 2])
def test_a_finished_network_gives_the_answers_of_the_task(count: int, tmp_path: Any) -> None:
    import tensorflow as tf

    network, options = ready_boxes(), DetectionOptions(max_detections=4, nms_iou=0.4)
    rng = np.random.default_rng(0)
    images = rng.random((count, 5, 6, 1)).astype(np.float32)
    images[:, :, 2:4] = images[:, :, :2] + 0.3
    whole = DETECTION.finished(network, options)
    found = {name: np.asarray(one) for name, one in whole(images, training=False).items()}
    objective = DetectionObjective(["a", "b"], "none", options)
    outputs = {name: np.asarray(one) for name, one in network(images).items()}
    expected = objective.answers(outputs, objective.encoding(network))
    assert set(found) == set(expected) == {"boxes", "labels", "scores"}
    for name, one in found.items():
        np.testing.assert_allclose(one, expected[name], atol=1e-6)
    whole.save(tmp_path / "whole.keras")
    again = tf.keras.models.load_model(tmp_path / "whole.keras")(images)
    np.testing.assert_array_equal(np.asarray(again["scores"]), found["scores"])
