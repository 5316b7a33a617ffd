"""Non-max suppression against a plain one, box for box, and against TensorFlow's combined one."""

import numpy as np
import pytest
import tensorflow as tf

from cnnbench.data.annotations import NO_OBJECT
from cnnbench.tasks.detection.suppression import Suppression, suppressed
from cnnbench.tasks.localization.boxes import iou


def plain(boxes, scores, settings):
    """Return (box, class) numbers of one image, best first: greedy, class by class."""
    order = np.argsort(-scores.ravel(), kind="stable")[: settings.candidates]
    kept = []
    for place in order:
        box, label = divmod(int(place), scores.shape[1])
        if scores[box, label] <= settings.score_threshold:
            break
        same = [other for other, known in kept if known == label]
        if all(iou(boxes[box], boxes[other]) <= settings.iou_threshold for other in same):
            kept.append((box, label))
        if len(kept) == settings.most:
            break
    return kept


def random_case(seed, images=4, count=60, classes=3):
    """Return boxes that crowd around a few places, some reaching out of the image."""
    rng = np.random.default_rng(seed)
    centres = rng.uniform(-0.1, 1.1, (images, 5, 2))[:, rng.integers(0, 5, count)]
    centres = centres + rng.normal(0, 0.03, centres.shape)
    halves = rng.uniform(0.05, 0.3, centres.shape)
    boxes = np.concatenate([centres - halves, centres + halves], axis=-1).astype(np.float32)
    return boxes, (rng.random((images, count, classes)) ** 3).astype(np.float32)


@pytest.mark.parametrize(
    ("seed", "classes", "settings"),
    [
        (0, 3, Suppression()),
        (1, 1, Suppression(score_threshold=0.3, iou_threshold=0.3)),
        (2, 10, Suppression(most=7)),
        (3, 90, Suppression(candidates=200)),
        (4, 3, Suppression(most=300, candidates=10_000)),
        (5, 3, Suppression(score_threshold=0.9999)),
    ],
)
def test_equals_a_plain_one(seed, classes, settings):
    boxes, scores = random_case(seed, classes=classes)
    found = suppressed(tf.constant(boxes), tf.constant(scores), settings)
    found = {name: np.asarray(one) for name, one in found.items()}
    assert found["boxes"].shape == (4, settings.most, 4)
    for image in range(4):
        expected = plain(boxes[image], scores[image], settings)
        count = len(expected)
        numbers = np.array(expected, np.int64).reshape(-1, 2).T
        np.testing.assert_array_equal(found["labels"][image, :count], numbers[1])
        np.testing.assert_array_equal(found["boxes"][image, :count], boxes[image][numbers[0]])
        np.testing.assert_array_equal(found["scores"][image, :count], scores[image][*numbers])
        assert (found["labels"][image, count:] == NO_OBJECT).all()
        assert not found["scores"][image, count:].any()
        assert not found["boxes"][image, count:].any()


def test_equals_tensorflows_combined_one():
    boxes, scores = random_case(7, images=8, count=200, classes=4)
    found = suppressed(boxes, scores, Suppression(most=50, candidates=10_000))
    combined = tf.image.combined_non_max_suppression(
        boxes[:, :, None], scores, 50, 50, 0.5, 0.001, clip_boxes=False
    )
    np.testing.assert_array_equal(found["scores"], combined.nmsed_scores)
    np.testing.assert_array_equal(found["boxes"], combined.nmsed_boxes)
    np.testing.assert_array_equal(found["labels"], combined.nmsed_classes)


def test_one_image_has_no_loop_and_the_same_answers():
    boxes, scores = random_case(9, images=2)
    both = suppressed(boxes, scores, Suppression())
    one = tf.function(lambda *given: suppressed(*given, Suppression()))
    graph = one.get_concrete_function(tf.TensorSpec((1, 60, 4)), tf.TensorSpec((1, 60, 3)))
    assert not [node.op for node in graph.graph.as_graph_def().node if "While" in node.op]
    found = graph(tf.constant(boxes[:1]), tf.constant(scores[:1]))
    for name, values in both.items():
        np.testing.assert_array_equal(found[name][0], values[0])


def test_a_score_at_the_threshold_is_no_answer():
    boxes = np.array([[[0.0, 0.0, 0.4, 0.4], [0.5, 0.5, 0.9, 0.9]]], np.float32)
    scores = np.array([[[0.5], [0.75]]], np.float32)
    found = suppressed(boxes, scores, Suppression(score_threshold=0.5))
    assert np.asarray(found["labels"])[0, :2].tolist() == [0, NO_OBJECT]
    assert np.asarray(found["scores"])[0, :2].tolist() == [0.75, 0.0]


def test_boxes_much_larger_than_the_image_do_not_suppress_other_classes():
    wide = np.array([[[-20, -20, 21, 21], [-19, -20, 21, 21], [0, 0, 1, 1]]], np.float32)
    scores = np.array([[[0.9, 0.1], [0.2, 0.8], [0.3, 0.3]]], np.float32)
    found = suppressed(tf.constant(wide), tf.constant(scores), Suppression(score_threshold=0.25))
    labels = np.asarray(found["labels"])[0]
    assert labels[labels != NO_OBJECT].tolist() == [0, 1, 0, 1]


def test_boxes_without_area_are_found_once_in_a_litert_file():
    """Boxes far outside the image have none within the limits that boxes are compared in."""
    from ai_edge_litert.interpreter import Interpreter

    boxes = np.array([[0.2, 0.2, 0.6, 0.6], [2.9, 0.0, 3.4, 1.8], [0.5, 0.5, 0.5, 0.9]], np.float32)
    scores = np.array([[0.9, 0.3], [0.8, 0.2], [0.7, 0.1]], np.float32)
    settings = Suppression(score_threshold=0.05, most=8)

    def answer(boxes, scores):
        return suppressed(boxes[None], scores[None], settings)

    traced = tf.function(answer).get_concrete_function(
        tf.TensorSpec(boxes.shape, name="boxes"), tf.TensorSpec(scores.shape, name="scores")
    )
    content = tf.lite.TFLiteConverter.from_concrete_functions([traced]).convert()
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    for one in interpreter.get_input_details():
        interpreter.set_tensor(one["index"], boxes if "boxes" in one["name"] else scores)
    interpreter.invoke()
    found = [interpreter.get_tensor(one["index"]) for one in interpreter.get_output_details()]
    expected = answer(boxes, scores)
    for one, name in zip(found, sorted(expected), strict=True):
        np.testing.assert_allclose(one, expected[name], atol=1e-6)
    assert list(expected["labels"][0]) == [0, 0, 0, 1, 1, 1, NO_OBJECT, NO_OBJECT]
