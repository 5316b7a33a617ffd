"""Targets, answers and predictions of segmentation, and networks that were trained elsewhere."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from cnnbench.data.annotations import IGNORED, NO_OBJECT, of_lists
from cnnbench.data.fitting import Placement
from cnnbench.data.pictures import Part
from cnnbench.errors import JobFailed, UserError
from cnnbench.tasks.segmentation import SEGMENTATION, SegmentationOptions
from cnnbench.tasks.segmentation.fixed import OTHER
from cnnbench.tasks.task import TrainedOn

NAMES = ("cat", "dog")
MAPS = (None, 8, 8, 3)


def objective(**options: object):
    return SEGMENTATION.objective(NAMES, "pets", SegmentationOptions.model_validate(options))


@pytest.mark.parametrize(
    ("outputs", "wanted", "found"),
    [
        ({"": MAPS}, None, ""),
        ({"out": MAPS, "aux": MAPS}, None, "out"),
        ({"out": MAPS, "aux": MAPS}, "aux", "aux"),
    ],
)
def test_maps_of_scores_are_found(outputs, wanted, found):
    assert SEGMENTATION.paths(outputs, wanted, "net") == found


def test_other_outputs_are_refused():
    with pytest.raises(UserError, match="net: a segmentation network returns maps of scores"):
        SEGMENTATION.paths({"": (None, 10)}, None, "net")


def part(**masks) -> Part:
    found = of_lists(
        [[1, 0], [0]],
        [np.zeros((2, 4)), np.zeros((1, 4))],
        [(4, 4)] * 2,
        ignored=[[False, True], [False]],
        **masks,
    )
    return Part(np.zeros((2, 2, 3, 1), np.uint8), np.zeros(2, np.int64), found)


INSTANCES = np.array([[[0, 1, 1], [2, 2, 0]], [[0, 0, 0], [1, 0, 0]]], np.uint8)
SEMANTIC = [[[0, 2, 2], [IGNORED, IGNORED, 0]], [[0, 0, 0], [1, 0, 0]]]


def test_targets_come_from_the_pixels_of_objects():
    found = objective().targets(part(instances=INSTANCES))
    assert found["semantic"].dtype == np.uint8
    assert found["semantic"].tolist() == SEMANTIC


def test_targets_are_the_classes_of_pixels_where_these_are_known():
    semantic = np.array([[[0, 1, 1], [2, 2, IGNORED]]] * 2, np.uint8)
    found = objective().targets(part(semantic=semantic, instances=INSTANCES))
    np.testing.assert_array_equal(found["semantic"], semantic)
    found = objective(ignored_classes=["background", 2]).targets(part(semantic=semantic))
    assert found["semantic"][0].tolist() == [[IGNORED, 1, 1], [IGNORED] * 3]


def test_without_masks_there_is_nothing_to_learn():
    with pytest.raises(JobFailed, match="pets has no masks"):
        objective().targets(part())
    assert NO_OBJECT not in objective().targets(part(instances=INSTANCES))["semantic"]


def test_answers_are_the_class_of_each_pixel():
    scores = np.random.default_rng(0).normal(size=(2, 3, 4, 3))
    answers = objective().answers(scores, "logits")
    assert answers.dtype == np.uint8
    np.testing.assert_array_equal(answers, scores.argmax(-1))
    single = objective().answers(scores[..., :1], "logit")
    np.testing.assert_array_equal(single, scores[..., 0] > 0)
    np.testing.assert_array_equal(
        objective().answers(1 / (1 + np.exp(-scores[..., :1])), "sigmoid"), single
    )
    scores[0, 0, 0, 0] = np.nan
    with pytest.raises(JobFailed, match="not finite"):
        objective().answers(scores, "logits")


def test_agreement_is_the_share_of_pixels():
    one = np.zeros((1, 2, 2), np.uint8)
    other = np.array([[[0, 0], [0, 1]]], np.uint8)
    assert objective().agreement(one, other, "logits") == 0.75


@pytest.mark.parametrize(("own", "count"), [(11, 3), (1, 3), (0, 3)])
def test_a_network_gets_one_more_output_than_the_data_set_has_classes(own, count):
    assert objective().outputs_for(own) == count


def test_a_single_channel_is_enough_for_one_class():
    one_class = SEGMENTATION.objective(("nucleus",), "nuclei")
    assert one_class.outputs_for(1) == 1 and one_class.outputs_for(5) == 2
    model = SimpleNamespace(stated=frozenset({"classes"}), fixed=frozenset(), classes=1)
    assert SEGMENTATION.refusal(model, 1) == ""
    assert SEGMENTATION.refusal(model, 2).startswith("has 1 channel, but the data set needs 3")
    maps = tf.keras.Input((8, 8, 1))
    softmax = tf.keras.Model(maps, tf.keras.layers.Conv2D(1, 1, activation="softmax")(maps))
    with pytest.raises(JobFailed, match="its single output is a softmax"):
        one_class.check_network(softmax)


def scored(answer: np.ndarray, classes: int = 3) -> np.ndarray:
    """Return logits whose largest are those of the answer."""
    return 4.0 * np.eye(classes)[answer]


ANSWER = np.array([[0, 0, 2, 2], [0, 0, 2, 1]])


def network(classes: int = 3):
    maps = tf.keras.Input((2, 4, 1))
    return tf.keras.Model(maps, tf.keras.layers.Conv2D(classes, 1)(maps))


@pytest.mark.parametrize("names", [NAMES, ("background", *NAMES)])
def test_segments_have_a_share_of_the_pixels_and_a_mask(names):
    (found,) = SEGMENTATION.decode(scored(ANSWER)[None], network(), names, 9)
    assert [dict(one.to_json()) for one in found] == [
        {"number": 2, "name": "dog", "share": 3 / 8},
        {"number": 1, "name": "cat", "share": 1 / 8},
        {"number": 0, "name": "background", "share": 4 / 8},
    ]
    assert str(found[0]) == " 37.5 %  dog"
    np.testing.assert_array_equal(found[0].mask, ANSWER == 2)
    assert found[0].mark(0).number == 1, "the colour is that of the class"
    assert found[2].mark(2) is None


def test_few_segments_are_the_largest_of_objects():
    (found,) = SEGMENTATION.decode(scored(ANSWER)[None], network(), (), 1)
    assert [one.name for one in found] == ["class 2"]
    with pytest.raises(JobFailed, match="5 names, but it has 3 classes"):
        SEGMENTATION.decode(scored(ANSWER)[None], network(), list("abcde"), 1)


def test_by_default_no_class_of_an_answer_is_left_out():
    answer = np.arange(9).reshape(3, 3)
    (found,) = SEGMENTATION.decode(scored(answer, 9)[None], network(9), (), SEGMENTATION.most_shown)
    assert len(found) == 9


def test_more_classes_than_a_byte_tells_apart_are_refused():
    scores = np.zeros((1, 2, 4, 255))
    scores[..., 254] = 1
    with pytest.raises(JobFailed, match="255 classes, but a map of classes holds 254"):
        SEGMENTATION.decode(scores, network(255), (), 3)
    (found,) = SEGMENTATION.decode(scores[..., 1:], network(254), (), 3)
    assert [one.number for one in found] == [253]


def test_a_segment_in_a_large_picture_holds_no_mask_of_its_size():
    (found,) = SEGMENTATION.decode(scored(ANSWER)[None], network(), NAMES, 1)
    placed = found[0].placed(Placement.of((4000, 8000), (2, 4), "stretch"))
    assert placed.seen.shape == (2, 4) and len(placed.classes.data) < 100
    assert placed.classes is found[0].classes, "the segments of an image share one map"
    assert placed.mask.shape == (4000, 8000) and placed.share == 3 / 8


@pytest.mark.parametrize("fit", ["stretch", "crop", "letterbox"])
def test_a_mask_comes_back_to_where_it_is_in_the_picture(fit):
    picture = (60, 90)
    placement = Placement.of(picture, (40, 40), fit)
    truth = np.zeros(picture, np.bool_)
    truth[20:50, 30:60] = True
    seen = placement.mask_back(placement.mask(truth))
    assert (seen != truth).mean() < 0.03
    answer = placement.mask(truth).astype(int)
    ((segment, _),) = SEGMENTATION.decode(scored(answer)[None], network(), NAMES, 2)
    placed = segment.placed(placement)
    np.testing.assert_array_equal(placed.mask, seen)
    shown = 60 * 60 if fit == "crop" else 60 * 90
    assert placed.share == pytest.approx(seen.sum() / shown)


@pytest.mark.parametrize(
    ("names", "stated"),
    [(("owl", "dog", "cat"), ()), (None, ("background", "owl", "dog", "cat")),
     (("__background__", "owl", "dog", "cat"), ())],
)  # fmt: skip
def test_a_network_trained_elsewhere_is_matched_by_name(names, stated):
    model = SimpleNamespace(classes=4)
    trained_on = TrainedOn(False, names, "names.txt", stated)
    fixed = SEGMENTATION.fixed_objective(NAMES, "pets", model, trained_on)
    scores = scored(np.array([[[0, 1, 2, 3]]]), 4)
    assert fixed.answers(scores, "logits").tolist() == [[[0, OTHER, 2, 1]]]
    truth = {"semantic": np.array([[[0, 1, 2, 1]]], np.uint8)}
    found = fixed.evaluate(fixed.answers(scores, "logits"), truth, "logits")
    assert found.metrics["segmentation_miou"] == pytest.approx((1 + 1 / 2 + 1) / 3)
    ((_, given),) = fixed.example_marks(fixed.answers(scores, "logits"), truth, "logits")
    assert [one.text for one in given] == ["cat", "dog"], "an owl is not in this data set"


def test_a_class_that_a_network_does_not_have_is_refused():
    trained_on = TrainedOn(False, ("owl", "dog"), "names.txt")
    with pytest.raises(JobFailed, match="'pets/cat' is not a class of 'names"):
        SEGMENTATION.fixed_objective(NAMES, "pets", SimpleNamespace(classes=3), trained_on)


def test_true_and_predicted_masks_are_drawn_without_the_background():
    truth = {"semantic": np.array([[[0, 1], [1, IGNORED]]], np.uint8)}
    answers = np.array([[[0, 2], [2, 2]]], np.uint8)
    ((right, given),) = objective().example_marks(answers, truth, "logits")
    assert [(one.text, one.number) for one in right] == [("cat", 0)]
    assert [(one.text, one.number) for one in given] == [("dog", 1)]
    np.testing.assert_array_equal(given[0].mask, answers[0] == 2)
