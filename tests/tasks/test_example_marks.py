"""Marks of example pictures: the truth and the answers of each task, as they are drawn."""

from __future__ import annotations

import numpy as np
import pytest

from cnnbench.data.annotations import IGNORED, NO_OBJECT
from cnnbench.data.drawing import MaskMark
from cnnbench.tasks import marks
from cnnbench.tasks.classification.class_names import OutputsOf
from cnnbench.tasks.detection import DETECTION
from cnnbench.tasks.localization import LOCALIZATION, LocalizationOptions
from cnnbench.tasks.localization.objective import FixedObjective

NAMES = ("shirt", "bag")
BOX, OTHER = (0.1, 0.2, 0.5, 0.6), (0.0, 0.0, 1.0, 1.0)


def test_a_detector_shows_true_objects_and_those_that_predict_shows() -> None:
    truth = {
        "labels": np.array([[1, NO_OBJECT]]),
        "boxes": np.array([[BOX, (0, 0, 0, 0)]], np.float32),
    }
    answers = {
        "labels": np.array([[0, 1, NO_OBJECT]]),
        "scores": np.array([[0.9, 0.2, 0.0]], np.float32),
        "boxes": np.array([[OTHER, BOX, (0, 0, 0, 0)]], np.float32),
    }
    ((true, found),) = DETECTION.objective(NAMES, "x").example_marks(answers, truth, "")
    assert [(one.text, one.number) for one in true] == [("bag", 1)]
    assert true[0].box == pytest.approx(BOX)
    assert [(one.text, one.number) for one in found] == [("shirt 0.90", 0)]
    assert found[0].box == pytest.approx(OTHER)


TRUTH = {"labels": np.array([[1]]), "boxes": np.array([[BOX]], np.float32)}
# Centre and size, as a localiser predicts them: the whole image.
ANSWERS = {
    "boxes": np.array([[0.5, 0.5, 1.0, 1.0]], np.float32),
    "classes": np.array([[0.25, 0.75]], np.float32),
}


def test_a_localiser_shows_its_box_with_the_most_probable_class() -> None:
    objective = LOCALIZATION.objective(NAMES, "x")
    ((true, found),) = objective.example_marks(ANSWERS, TRUTH, "softmax")
    assert [(one.text, one.number) for one in true] == [("bag", 1)]
    assert [(one.text, one.number) for one in found] == [("bag 0.75", 1)]
    assert found[0].box == pytest.approx(OTHER)


def test_classes_of_a_localiser_trained_elsewhere_have_the_names_of_its_outputs() -> None:
    outputs_of = OutputsOf(NAMES, (2, 0))  # shirt is its third output, bag its first
    objective = FixedObjective(NAMES, "x", LocalizationOptions(), outputs_of)
    answers = ANSWERS | {"classes": np.array([[0.1, 0.2, 0.7]], np.float32)}
    truth = TRUTH | {"labels": np.array([[0]])}  # of its outputs
    ((true, found),) = objective.example_marks(answers, truth, "softmax")
    assert [one.text for one in (*true, *found)] == ["bag", "shirt 0.70"]


def test_objects_of_the_only_class_have_colours_of_their_own_and_no_name() -> None:
    found = marks.of_boxes(np.array([0, 0]), np.array([BOX, OTHER]), ("cell",))
    assert [(one.text, one.number) for one in found] == [("", 0), ("", 1)]
    scored = marks.of_boxes(np.array([0]), np.array([BOX]), ("cell",), np.array([0.5]))
    assert [one.text for one in scored] == ["0.50"]


def test_objects_may_have_masks() -> None:
    mask = np.eye(3, dtype=bool)
    (found,) = marks.of_boxes(np.array([1]), np.array([BOX]), NAMES, masks=[mask])
    assert isinstance(found, MaskMark)
    assert found.mask is mask and found.text == "bag" and found.box == list(BOX)


def test_pixels_of_a_class_are_one_mark_without_ground_and_ignored_ones() -> None:
    semantic = np.array([[0, 2, 2], [IGNORED, 0, 1]], np.uint8)
    found = marks.of_pixels(semantic, NAMES)
    assert [(one.text, one.number) for one in found] == [("shirt", 0), ("bag", 1)]
    assert [one.mask.tolist() for one in found if one.mask is not None] == [
        [[False, False, False], [False, False, True]],
        [[False, True, True], [False, False, False]],
    ]


def test_a_class_without_a_name_is_numbered() -> None:
    (found,) = marks.of_pixels(np.array([[3]], np.uint8), NAMES)
    assert found.text == "class 2"
