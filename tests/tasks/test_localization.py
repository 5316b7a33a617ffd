"""Localization: the task, its targets, options and remarks, and the losses by hand."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from cnnbench.data.annotations import of_lists
from cnnbench.data.pictures import Part
from cnnbench.errors import JobFailed
from cnnbench.tasks.localization import LOCALIZATION, LocalizationOptions, losses
from cnnbench.tasks.task import TASKS, TrainedOn
from tests.tasks.localisers import NAMES, objective, part

LARGE, SMALL = (0.1, 0.1, 0.9, 0.9), (0.2, 0.2, 0.4, 0.4)
OBJECTS = of_lists(
    [[1, 2], [], [0, 1], [2]],
    [[SMALL, LARGE], [], [LARGE, SMALL], [SMALL]],
    np.full((4, 2), 8),
    [[False, False], [], [True, False], [True]],
)


def test_the_task_is_registered_and_says_what_it_needs() -> None:
    task = TASKS["localization"]
    assert (task.name, task.primary, task.watched) == ("localization", "mean_iou", "mean_iou")
    assert task.needs == {"boxes"} and task.fit == "stretch"
    assert TASKS["classification"].fit == "crop"
    assert TASKS["classification"].options() == TASKS["classification"].options.model_validate({})


def test_the_largest_object_that_is_not_ignored_is_the_target() -> None:
    found = objective().targets(part(OBJECTS))
    assert isinstance(found, dict)
    assert found["labels"].tolist() == [[2], [-1], [1], [-1]]
    assert found["boxes"].shape == (4, 1, 4)
    assert found["boxes"][:, 0] == pytest.approx(
        np.array([LARGE, (0, 0, 0, 0), SMALL, SMALL]), abs=1e-6
    )


def test_an_object_to_be_ignored_is_the_largest_only_if_there_is_no_other() -> None:
    assert OBJECTS.largest().tolist() == [1, -1, 1, 0]


def test_images_without_any_object_have_no_target() -> None:
    found = objective().targets(part(of_lists([[], []], [[], []], np.full((2, 2), 8))))
    assert isinstance(found, dict) and found["labels"].tolist() == [[-1], [-1]]


def test_images_without_boxes_are_refused() -> None:
    plain = Part(np.zeros((2, 8, 8, 1), np.uint8), np.zeros(2, np.int64))
    with pytest.raises(JobFailed, match="things has no boxes, which localization needs"):
        objective().targets(plain)


def test_targets_are_encoded_as_centre_size_and_weight() -> None:
    targets = {
        "labels": np.array([[2], [-1]]),
        "boxes": np.array([[(0.1, 0.2, 0.5, 0.8)], [(0, 0, 0, 0)]], np.float32),
    }
    found = objective().encoded(targets, "softmax")
    assert found["boxes"].numpy() == pytest.approx(
        np.array([(0.5, 0.3, 0.6, 0.4, 1), (0, 0, 0, 0, 0)]), abs=1e-6
    )
    assert found["classes"].numpy().tolist() == [[0, 0, 1], [0, 0, 0]]


TARGET = np.array([[0.5, 0.4, 0.04, 0.25, 1.0]], np.float32)
GIVEN = np.array([[0.6, 0.4, 0.09, 0.16]], np.float32)


def test_box_losses_by_hand() -> None:
    roots = losses.box_loss(sqrt=True)(TARGET, GIVEN).numpy()
    assert roots == pytest.approx([(0.1**2 + 0 + 0.1**2 + 0.1**2) / 4], rel=1e-5)
    plain = losses.box_loss(sqrt=False)(TARGET, GIVEN).numpy()
    assert plain == pytest.approx([(0.1**2 + 0 + 0.05**2 + 0.09**2) / 4], rel=1e-5)


def numpy_loss(target: np.ndarray, given: np.ndarray) -> np.ndarray:
    edge = losses.LINEAR_BELOW

    def root(sizes: np.ndarray) -> np.ndarray:
        tangent = math.sqrt(edge) + (sizes - edge) / (2 * math.sqrt(edge))
        return np.where(sizes > edge, np.sqrt(np.maximum(sizes, edge)), tangent)

    scaled = [np.concatenate([one[:, :2], root(one[:, 2:4])], axis=1) for one in (target, given)]
    return ((scaled[0] - scaled[1]) ** 2).mean(axis=1) * target[:, 4]


def test_the_box_loss_equals_numpy_on_random_boxes_of_any_size() -> None:
    random = np.random.default_rng(0)
    target = np.concatenate([random.random((50, 4)), random.integers(0, 2, (50, 1))], axis=1)
    given = random.normal(0, 0.3, (50, 4))
    found = losses.box_loss(sqrt=True)(target.astype(np.float32), given.astype(np.float32)).numpy()
    assert found == pytest.approx(numpy_loss(target, given), rel=1e-4, abs=1e-6)


def gradient(function: Any, at: list[float]) -> tuple[np.ndarray, np.ndarray]:
    import tensorflow as tf

    places = tf.constant(at)
    with tf.GradientTape() as tape:
        tape.watch(places)
        values = function(places)
    return values.numpy(), tape.gradient(values, places).numpy()


def test_the_root_is_continued_by_its_tangent() -> None:
    edge = math.sqrt(1e-3)
    values, slopes = gradient(losses.root, [0.25, 1e-3, 0.0, -1e-3, -1.0])
    assert values == pytest.approx(
        [0.5, edge, edge / 2, 0.0, edge + (-1 - 1e-3) / (2 * edge)], abs=1e-6
    )
    assert slopes == pytest.approx([1.0] + 4 * [1 / (2 * edge)], rel=1e-5)


def test_a_prediction_without_width_has_a_finite_gradient_that_widens_it() -> None:
    def loss(width: Any) -> Any:
        import tensorflow as tf

        given = tf.stack([0.5 + 0 * width, 0.4 + 0 * width, width, 0.25 + 0 * width], axis=1)
        return losses.box_loss(sqrt=True)(np.repeat(TARGET, 2, axis=0), given)

    edge = math.sqrt(1e-3)
    values, slopes = gradient(loss, [0.0, -0.5])
    # d/dw of (root(w) - 0.2)² / 4
    expected = [2 * (root - 0.2) / 4 / (2 * edge) for root in (edge / 2, edge + -0.501 / 2 / edge)]
    assert slopes == pytest.approx(expected, rel=1e-4)
    assert (slopes < 0).all() and np.isfinite(values).all()


def test_a_lost_object_weighs_nothing() -> None:
    lost, given = TARGET.copy(), np.array([[9.0, 9.0, 9.0, 9.0]], np.float32)
    lost[:, 4] = 0
    assert losses.box_loss(sqrt=True)(lost, given).numpy().tolist() == [0.0]
    of_class = losses.class_loss("softmax", label_smoothing=0.1)
    labels = np.array([[0, 1], [0, 0]], np.float32)
    found = of_class(labels, np.array([[0.3, 0.7], [0.3, 0.7]], np.float32)).numpy()
    assert found == pytest.approx([-0.95 * math.log(0.7) - 0.05 * math.log(0.3), 0.0], rel=1e-5)


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        ("softmax", [[0.2, 0.8]], -math.log(0.8)),
        ("logits", [[0.0, math.log(3)]], -math.log(0.75)),
        ("sigmoids", [[0.2, 0.6]], -(math.log(0.8) + math.log(0.6)) / 2),
        ("sigmoid", [[0.6]], -math.log(0.6)),
        ("logit", [[math.log(3)]], -math.log(0.75)),
    ],
)
def test_the_class_loss_of_each_kind_of_outputs(kind: Any, given: Any, expected: float) -> None:
    found = losses.class_loss(kind, 0.0)(np.array([[0, 1]], np.float32), np.array(given, "f4"))
    assert found.numpy() == pytest.approx([expected], rel=1e-4)


def test_the_watched_metric_is_the_mean_over_images_with_an_object() -> None:
    metric = losses.mean_iou()
    targets = np.array(
        [(0.5, 0.5, 0.4, 0.4, 1), (0.5, 0.5, 1, 1, 1), (0.5, 0.5, 1, 1, 0)], np.float32
    )
    given = np.array([(0.5, 0.5, 0.4, 0.4), (0.5, 0.5, 0.5, 0.5), (0.5, 0.5, -1, 1)], np.float32)
    metric.update_state(targets, given)
    assert metric.name == "mean_iou"
    assert float(metric.result()) == pytest.approx((1 + 0.25) / 2)


def test_options_set_the_losses_and_their_weights() -> None:
    default = objective()
    assert default.loss_weights("softmax") == {"boxes": 10.0, "classes": 1.0}
    chapter = objective(loss_weights=[0.8, 0.2], sqrt=False)
    assert chapter.loss_weights("softmax") == {"boxes": 0.2, "classes": 0.8}
    plain = chapter.loss("softmax")["boxes"](TARGET, GIVEN).numpy()
    assert plain == pytest.approx([0.00515], rel=1e-4)
    assert LocalizationOptions().model_dump(mode="json") == {
        "sqrt": True,
        "loss_weights": [1.0, 10.0],
    }


@pytest.mark.parametrize(
    "weights", [0.8, [1], [1, 2, 3], [-1, 2], [0, 0], ["a", 1], [True, 1], [float("nan"), 1], None]
)
def test_impossible_loss_weights_are_refused_with_an_example(weights: Any) -> None:
    with pytest.raises(
        ValidationError, match=r"weights of class and box, .* for example \[1, 10\]"
    ):
        LocalizationOptions.model_validate({"loss_weights": weights})


@pytest.mark.parametrize("options", [{"sqrt": "maybe"}, {"sqrt": 1}, {"roots": True}])
def test_other_options_are_refused(options: Any) -> None:
    with pytest.raises(ValidationError):
        LocalizationOptions.model_validate(options)


def test_several_objects_and_other_classes_are_noted() -> None:
    model: Any = SimpleNamespace(stated=frozenset({"classes"}), classes=10)
    assert objective().notes(model, part(OBJECTS), "softmax") == [
        "trained for the data set's 3 classes",
        "2 of 4 test images have several objects: the largest of each is to be found",
    ]
    assert LOCALIZATION.plan_remark(model, 3) == "is trained for the data set's 3 classes"
    unstated: Any = SimpleNamespace(stated=frozenset(), classes=10)
    single = part(of_lists([[0]], [[SMALL]], [(8, 8)]))
    assert objective().notes(unstated, single, "softmax") == []


def test_a_trained_localiser_is_evaluated_with_its_own_order_of_classes() -> None:
    model: Any = SimpleNamespace(classes=4)
    trained_on = TrainedOn(False, ["sofa", "shirt", "boot", "bag"], "names.txt")
    fixed = LOCALIZATION.fixed_objective(NAMES, "folder", model, trained_on)
    found = fixed.targets(part(OBJECTS))
    assert isinstance(found, dict) and found["labels"].tolist() == [[1], [-1], [2], [-1]]
    with pytest.raises(JobFailed, match="'folder/shirt' is not a class of"):
        names = TrainedOn(False, ["a", "b", "c", "d"], "names.txt")
        LOCALIZATION.fixed_objective(("shirt",), "folder", model, names)


def test_only_a_head_in_the_name_gives_boxes() -> None:
    with pytest.raises(JobFailed, match=r"no head for boxes: .* MobileNetV2\+box"):
        objective().head(seed=0)


def test_a_localiser_of_one_class_is_trained_and_evaluated_for_its_box() -> None:
    import tensorflow as tf

    inputs = tf.keras.Input((8, 8, 1))
    pooled = tf.keras.layers.GlobalAveragePooling2D()(inputs)
    network = tf.keras.Model(
        inputs,
        {
            "boxes": tf.keras.layers.Dense(4)(pooled),
            "classes": tf.keras.layers.Dense(1, activation="softmax")(pooled),
        },
    )
    one = LOCALIZATION.objective(("nucleus",), "cells")
    one.check_network(network)
    encoding = one.encoding(network)
    targets = one.targets(part(of_lists([[0], [0]], [[LARGE], [SMALL]], np.full((2, 2), 8))))
    centred = np.array([[0.5, 0.5, 0.8, 0.8], [0.3, 0.3, 0.2, 0.2]])
    found = one.evaluate({"boxes": centred, "classes": np.ones((2, 1))}, targets, encoding)
    assert found.metrics["mean_iou"] == pytest.approx(1, abs=1e-6)
    assert found.metrics["top1"] == found.metrics["located_top1"] == 1
    with pytest.raises(JobFailed, match="its single output is a softmax"):
        LOCALIZATION.objective(("a", "b"), "pairs").check_network(network)
