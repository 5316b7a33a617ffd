"""Outputs of a detector: found by name and shape, decoded for people, refused in words."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from cnnbench.data.annotations import NO_OBJECT, of_lists
from cnnbench.data.fitting import Placement
from cnnbench.data.pictures import Part
from cnnbench.errors import JobFailed, UserError
from cnnbench.models.families.own_layers import StateCoding
from cnnbench.models.heads.coding import LAYER, AnchorCoding, GridCoding, Level, to_json
from cnnbench.tasks.classification.class_names import OutputsOf
from cnnbench.tasks.detection import DETECTION, DetectionOptions
from cnnbench.tasks.detection.codings import stated
from cnnbench.tasks.detection.objective import DetectionObjective, FixedObjective
from cnnbench.tasks.detection.outputs import decode
from cnnbench.tasks.task import TrainedOn
from tests.probes.tiny import Tiny

NAMES = ("cat", "dog", "owl")
GRID = {"": (None, 7, 7, 13)}
BOXES, CLASSES, SCORES = (None, 50, 4), (None, 50, 4), (None, 50, 3)


@pytest.mark.parametrize(
    ("outputs", "wanted", "found"),
    [
        (GRID, None, ""),
        ({"cells": (None, 7, 7, 13)}, None, "cells"),
        ({"boxes": BOXES, "classes": CLASSES}, None, {"boxes": "boxes", "classes": "classes"}),
        (
            {"late.scores": SCORES, "late.boxes": BOXES, "features": (None, 9)},
            None,
            {"boxes": "late.boxes", "scores": "late.scores"},
        ),
        ({"grid": (None, 7, 7, 13), "other": (None, 9)}, "grid", "grid"),
    ],
)
def test_outputs_are_found(outputs, wanted, found):
    assert DETECTION.paths(outputs, wanted, "net") == found


@pytest.mark.parametrize(
    "outputs",
    [
        {"": (None, 10)},
        {"boxes": (None, 4), "classes": (None, 10)},
        {"boxes": (None, 50, 5), "classes": CLASSES},
        {"boxes": BOXES, "classes": CLASSES, "scores": SCORES},
    ],
)
def test_other_outputs_are_refused(outputs):
    with pytest.raises(UserError, match="net: a detector returns one output, a grid"):
        DETECTION.paths(outputs, None, "net")


def ready_network():
    """Return a network that returns ready boxes: three boxes, whose numbers are its input."""
    numbers = tf.keras.Input((3, 7))
    return tf.keras.Model(numbers, {"boxes": numbers[..., :4], "scores": numbers[..., 4:]})


READY = np.array(
    [
        [
            [0.1, 0.1, 0.5, 0.5, 0.9, 0.2, 0.0],
            [0.1, 0.1, 0.5, 0.52, 0.8, 0.1, 0.0],  # of the same object
            [-0.2, 0.5, 0.5, 1.4, 0.0, 0.0, 0.6],
        ]
    ],
    np.float32,
)
OUTPUTS = {"boxes": READY[..., :4], "scores": READY[..., 4:]}


def test_objects_worth_showing_are_decoded():
    (found,) = decode(OUTPUTS, ready_network(), NAMES, top=5)
    assert [str(one) for one in found] == [
        " 0.90  cat  (top 10, left 10, bottom 50, right 50 %)",
        " 0.60  owl  (top 0, left 50, bottom 50, right 100 %)",
    ]
    (one,) = decode(OUTPUTS, ready_network(), (), top=1)[0]
    assert one.to_json() == {
        "number": 0,
        "name": "class 0",
        "score": pytest.approx(0.9),
        "box": pytest.approx([0.1, 0.1, 0.5, 0.5]),
    }
    placed = one.placed(Placement.of((100, 200), (50, 50), "stretch"))
    assert placed.to_json()["box_px"] == [10.0, 20.0, 50.0, 100.0]
    assert placed.cells() == {
        "Class": "class 0",
        "Score": "0.90",
        "Box": "top 10, left 20, bottom 50, right 100 px",
    }
    assert placed.mark(3).box == pytest.approx([0.1, 0.1, 0.5, 0.5])


def test_names_for_other_classes_are_refused():
    with pytest.raises(JobFailed, match="2 names, but it has 3 classes"):
        decode(OUTPUTS, ready_network(), ("cat", "dog"), top=5)


def objective(classes=NAMES):
    return DetectionObjective(classes, "things", DetectionOptions())


def test_ready_boxes_are_evaluated_and_not_trained():
    network = ready_network()
    encoding = objective().encoding(network)
    assert encoding == '{"kind":"decoded"}'
    found = objective().answers(OUTPUTS, encoding)
    assert found["labels"][0, :5].tolist() == [0, 2, 1, NO_OBJECT, NO_OBJECT]
    np.testing.assert_array_equal(found["boxes"][0, 1], READY[0, 2, :4], "not clipped")
    with pytest.raises(JobFailed, match="it can be evaluated but not trained"):
        objective().check_network(network)


def anchored(scores, width):
    level = Level(1, 3, (1.0, 1 / 3), (0.5, 1 / 6), ((0.5, 0.3),))
    numbers = tf.keras.Input((3, 4 + width))
    coding = to_json(AnchorCoding((level,), scores))
    boxes = StateCoding(coding, name=LAYER)(numbers[..., :4])
    return tf.keras.Model(numbers, {"boxes": boxes, "classes": numbers[..., 4:]})


@pytest.mark.parametrize(("scores", "width"), [("sigmoid", 3), ("softmax", 4)])
def test_number_of_classes_is_that_of_the_data_set(scores, width):
    objective().check_network(anchored(scores, width))
    with pytest.raises(JobFailed, match="it has 4 classes, but the data set has 3"):
        objective().check_network(anchored(scores, width + 1))


def test_coding_survives_saving(tmp_path):
    network = anchored("softmax", 4)
    network.save(tmp_path / "a.keras")
    again = tf.keras.models.load_model(tmp_path / "a.keras")
    assert stated.of_network(again) == stated.of_network(network)
    assert stated.coder(stated.of_network(again)).kind == "3 anchors"


def test_coding_of_another_kind_is_a_failure_in_words():
    with pytest.raises(JobFailed, match="its layer task_head_coding states no coding of boxes"):
        stated.coder('{"kind":"heatmap"}')


def test_targets_of_pictures_without_any_object_have_a_row():
    empty = of_lists([[], []], [[], []], [[10, 20], [30, 40]])
    found = objective().targets(Part(np.zeros((2, 8, 8, 1)), np.full(2, NO_OBJECT), empty))
    assert found["labels"].tolist() == [[NO_OBJECT], [NO_OBJECT]]
    assert found["boxes"].shape == (2, 1, 4)
    assert found["ignored"].tolist() == [[False], [False]]
    assert found["spans"].tolist() == [[10, 20], [30, 40]]
    coding = stated.canonical(to_json(GridCoding(2, 2, 1, 3)))
    assert not np.asarray(objective().encoded(found, coding)).any()


def test_objects_of_several_parts_are_joined():
    one = of_lists([[1, 2]], [[[0, 0, 1, 1], [0, 0, 0.5, 1]]], [[9, 9]], [[True, False]])
    none = of_lists([[], [0]], [[], [[0, 0, 1, 0.5]]], [[8, 8], [7, 7]])
    images = np.zeros((2, 8, 8, 1))
    parts = [Part(images[:1], np.array([1]), one), Part(images, np.array([NO_OBJECT, 0]), none)]
    found = objective().joined([objective().targets(part) for part in parts])
    assert found["labels"].tolist() == [[1, 2], [NO_OBJECT, NO_OBJECT], [0, NO_OBJECT]]
    assert found["boxes"].shape == (3, 2, 4)
    assert found["boxes"][2].tolist() == [[0, 0, 1, 0.5], [0, 0, 0, 0]]
    assert found["ignored"].tolist() == [[True, False], [False, False], [False, False]]
    assert found["spans"].tolist() == [[9, 9], [8, 8], [7, 7]]


def test_classes_are_needed_with_boxes():
    with pytest.raises(JobFailed, match="things has no boxes, which detection needs"):
        objective().targets(Part(np.zeros((2, 8, 8, 1)), np.zeros(2, np.int64)))


def test_answers_of_a_trained_detector_have_the_data_sets_labels():
    fixed = FixedObjective(
        ("owl", "cat"), "things", DetectionOptions(), OutputsOf(("owl", "cat"), (2, 0))
    )
    found = fixed.answers(OUTPUTS, '{"kind":"decoded"}')
    assert found["labels"][0, :4].tolist() == [1, 0, NO_OBJECT, NO_OBJECT], "no dog"
    np.testing.assert_allclose(found["scores"][0, :4], [0.9, 0.6, 0, 0])
    assert not found["boxes"][0, 2:].any()


def test_spans_are_in_px_of_the_picture():
    for fit, span in (("stretch", (100, 200)), ("letterbox", (200, 200)), ("crop", (100, 100))):
        assert Placement.of((100, 200), (50, 50), fit).span == pytest.approx(span)


class Lone(Tiny):
    """A detector of one class."""

    task = "detection"
    classes = 1


def test_a_trained_detector_of_one_class_has_one():
    # A classifier with a single output has two.
    fixed = DETECTION.fixed_objective(("nucleus",), "folder:cells", Lone(), TrainedOn(False))
    outputs = {"boxes": READY[..., :4], "scores": READY[..., 4:5]}
    found = fixed.answers(outputs, '{"kind":"decoded"}')
    assert found["labels"][0, :2].tolist() == [0, NO_OBJECT]
    with pytest.raises(JobFailed, match="has 2 usable classes, the network has 1"):
        DETECTION.fixed_objective(("cat", "dog"), "folder:pets", Lone(), TrainedOn(False))


def test_classes_are_found_by_the_names_that_a_file_states():
    model = SimpleNamespace(classes=3, is_task_assumed=False)
    kept = TrainedOn(False, stated=("owl", "cat", "dog"))

    def labels(*names):
        fixed = DETECTION.fixed_objective(names, "things", model, kept)
        return fixed.answers(OUTPUTS, '{"kind":"decoded"}')["labels"][0, :3].tolist()

    assert labels(*NAMES) == [2, 1, 0]
    assert labels("dog") == [0, NO_OBJECT, NO_OBJECT]
    assert labels("a", "b", "c") == [0, 2, 1], "other names are in the order of the outputs"


def test_classes_of_a_users_detector_are_counted_once_it_is_built():
    # What is known of it before is the width of its first output, the boxes.
    model = SimpleNamespace(classes=4, is_task_assumed=True, stated=frozenset())

    def fixed(*names, given=None):
        return DETECTION.fixed_objective(names, "things", model, TrainedOn(False, given, "a.txt"))

    assert fixed(*NAMES).encoding(ready_network()) == '{"kind":"decoded"}'
    assert fixed("owl", given=NAMES).encoding(ready_network())
    with pytest.raises(JobFailed, match="it has 3 classes, not 4; class_names: FILE lists them"):
        fixed("a", "b", "c", "d").encoding(ready_network())


def test_a_grid_without_a_coding_cannot_be_read():
    images = tf.keras.Input((8, 8, 1))
    network = tf.keras.Model(images, tf.keras.layers.Conv2D(13, 3)(images))
    model = SimpleNamespace(classes=3, is_task_assumed=False)
    fixed = DETECTION.fixed_objective(NAMES, "things", model, TrainedOn(False))
    words = "it does not state how its output becomes boxes"
    with pytest.raises(JobFailed, match=words):
        fixed.encoding(network)
    with pytest.raises(JobFailed, match=words):
        decode(np.zeros((1, 6, 6, 13), np.float32), network, NAMES, top=5)
