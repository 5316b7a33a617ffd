"""Outputs of localisers: found by name or width, decoded for people, programs and drawing."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnbench.errors import JobFailed, UserError
from cnnbench.models import output_names, registry
from cnnbench.tasks.localization import LOCALIZATION
from cnnbench.tasks.localization.outputs import Located
from cnnbench.tasks.task import TASKS, Shape
from tests.conftest import ROOT
from tests.tasks.localisers import NAMES, network, objective


def paths(wanted: str | None = None, **outputs: Shape) -> Any:
    return LOCALIZATION.paths(outputs, wanted, "Net")


@pytest.mark.parametrize(
    ("boxes", "classes"),
    [
        ("boxes", "classes"),
        ("bbox", "label"),
        ("loc", "probs"),
        ("Box_Output", "cls"),
        ("coordinates", "label"),  # one by its width
        ("0", "1"),  # a list: both by their widths
        ("class_box", "other"),  # a name that says both says nothing
    ],
)
def test_outputs_are_found_by_name_or_width_in_any_order(boxes: str, classes: str) -> None:
    expected = {"boxes": boxes, "classes": classes}
    assert paths(**{boxes: (None, 4), classes: (None, 10)}) == expected
    assert paths(**{classes: (None, 10), boxes: (None, 4)}) == expected


def test_names_decide_between_two_outputs_of_four_values() -> None:
    assert paths(label=(None, 4), bbox=(None, 4)) == {"boxes": "bbox", "classes": "label"}


def test_a_third_output_is_left_alone_if_names_decide() -> None:
    found = paths(features=(None, 7, 7, 64), boxes=(None, 4), classes=(None, 10))
    assert found == {"boxes": "boxes", "classes": "classes"}


def test_one_of_several_pairs_is_selected_by_the_beginning_of_its_paths() -> None:
    outputs: dict[str, Shape] = {
        f"{head}.{role}": (None, width)
        for head in ("teacher", "student")
        for role, width in (("boxes", 4), ("classes", 10))
    }
    assert paths("student", **outputs) == {
        "boxes": "student.boxes",
        "classes": "student.classes",
    }
    with pytest.raises(UserError, match="a localiser returns two outputs"):
        paths(**outputs)
    with pytest.raises(UserError, match="Net has no output 'studnet'"):
        paths("studnet", **outputs)


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        ({"": (None, 14)}, r"a localiser returns two outputs.*\(it returns one output \(14\)\)"),
        ({"a": (None, 4), "b": (None, 4)}, r"it returns a \(4\), b \(4\)"),
        ({"a": (None, 3), "b": (None, 10)}, "two outputs: 'boxes', four values an image"),
        ({"boxes": (None, 5), "classes": (None, 9)}, r"boxes of Net, .* are 5 .*expected four"),
        (
            {"boxes": (None, 4), "classes": (None, 7, 7, 9)},
            r"classes of Net, .* are 7x7x9 an image",
        ),
        ({"boxes": (None, 49, 4), "classes": (None, 49, 9)}, r"are 49x4 an image"),
    ],
)
def test_other_outputs_are_refused_with_what_there_is(
    outputs: dict[str, Shape], words: str
) -> None:
    with pytest.raises(UserError) as refused:
        LOCALIZATION.paths(outputs, None, "Net")
    assert re.search(words, refused.value.one_line())


def test_a_classifier_reads_the_wanted_output_or_the_first() -> None:
    outputs: dict[str, Shape] = {"probs": (None, 10), "heads.0": (None, 5)}
    task = TASKS["classification"]
    assert task.paths(outputs, None, "Net") == "probs"
    assert task.paths(outputs, "heads.0", "Net") == "heads.0"
    assert task.paths({"": (None, 10)}, None, "Net") == ""
    with pytest.raises(UserError, match=r"Net has no output 'heads\.1'"):
        task.paths(outputs, "heads.1", "Net")


OUTPUTS = {
    "boxes": np.array([[0.5, 0.4, 0.2, 0.6], [0.9, 0.5, 0.4, -1.0]]),
    "classes": np.array([[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]]),
}


def test_decoding_ranks_classes_and_clips_the_one_box_of_an_image() -> None:
    first, second = LOCALIZATION.decode(OUTPUTS, network(), NAMES, top=2)
    assert [(one.number, one.name, one.probability) for one in _located(first)] == [
        (1, "boot", 0.5),
        (2, "shirt", 0.3),
    ]
    for one in _located(first):
        assert one.box == pytest.approx((0.1, 0.4, 0.7, 0.6))
    assert _located(second)[0].box == pytest.approx((0.5, 0.7, 0.5, 1.0))  # a height below 0 is 0
    (numbered,), _ = LOCALIZATION.decode(OUTPUTS, network(), (), top=1)
    assert _located([numbered])[0].name == "class 1"


def _located(found: Any) -> list[Located]:
    assert all(isinstance(one, Located) for one in found)
    return list(found)


def test_decoding_refuses_other_outputs_and_another_number_of_names() -> None:
    with pytest.raises(JobFailed, match="2 names, but it has 3 classes"):
        LOCALIZATION.decode(OUTPUTS, network(), ["a", "b"], top=1)
    with pytest.raises(JobFailed, match="a localiser returns two outputs"):
        LOCALIZATION.decode(OUTPUTS["classes"], network(), (), top=1)
    with pytest.raises(JobFailed, match="one output was expected, but there are boxes, classes"):
        TASKS["classification"].decode(OUTPUTS, network(), (), top=1)


def test_a_prediction_is_a_line_cells_and_plain_values() -> None:
    found = Located(1, "boot", 0.754, (0.1, 0.25, 0.9, 1.0))
    edges = "top 10, left 25, bottom 90, right 100 %"
    assert str(found) == f" 75.4 %  boot  ({edges})"
    assert found.cells() == {"Class": "boot", "Probability": " 75.4 %", "Box": edges}
    assert json.loads(json.dumps(found.to_json())) == {
        "number": 1,
        "name": "boot",
        "probability": 0.754,
        "box": [0.1, 0.25, 0.9, 1.0],
    }


def test_a_prediction_is_drawn_as_its_box() -> None:
    mark = Located(1, "boot", 0.754, (0.1, 0.25, 0.9, 1.0)).mark(3)
    assert mark is not None
    assert (mark.text, mark.number, tuple(mark.box or ())) == (
        "boot 75.4 %",
        3,
        (0.1, 0.25, 0.9, 1.0),
    )


def chosen(whole: Any) -> Any:
    """Return the network that a training builds from a user's: outputs by role."""
    import tensorflow as tf

    found = output_names.named(output_names.of(whole))
    shapes = {path: tuple(one.shape) for path, one in found.items()}
    by_role = LOCALIZATION.paths(shapes, None, "Net")
    return tf.keras.Model(whole.input, {role: found[path] for role, path in by_role.items()})


@pytest.mark.parametrize(
    "outputs",
    [
        lambda boxes, classes: [classes, boxes],
        lambda boxes, classes: {"label": classes, "loc": boxes, "more": boxes},
        lambda boxes, classes: {"head": {"bbox": boxes, "probs": classes}},
    ],
)
def test_a_functional_network_of_the_users_own_is_accepted(outputs: Any) -> None:
    one = chosen(network(outputs))
    objective().check_network(one)
    assert objective().encoding(one) == "softmax"


SUBCLASSED = """
import tensorflow as tf

class Finder(tf.keras.Model):
    def __init__(self):
        super().__init__()
        self.flat = tf.keras.layers.Flatten()
        self.box, self.label = tf.keras.layers.Dense(4), tf.keras.layers.Dense(3, "softmax")

    def call(self, images):
        features = self.flat(images)
        return {"box": self.box(features), "label": self.label(features)}

def finder(input_shape=(16, 16, 1)):
    return Finder()
"""


def test_a_subclassed_network_of_the_users_own_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(SUBCLASSED)
    one = chosen(registry.resolve("mine.py:finder", [tmp_path]).architecture())
    objective().check_network(one)
    assert objective().encoding(one) == "softmax"


def test_another_number_of_classes_is_refused() -> None:
    four = LOCALIZATION.objective(("a", "b", "c", "d"), "things")
    with pytest.raises(JobFailed, match="it has 3 classes, but the data set has 4"):
        four.check_network(chosen(network()))


TRAINING = """
import numpy as np
import tensorflow as tf
from tests.tasks.localisers import network, objective, pictured

found = objective()
part = pictured(256)
tf.keras.utils.set_random_seed(0)
one = network()
encoding = found.encoding(one)
targets = {name: value for name, value in found.targets(part).items()}
data = tf.data.Dataset.from_tensor_slices(((part.images / 255.0).astype("float32"), targets))
batches = data.batch(32).map(lambda images, targets: (images, found.encoded(targets, encoding)))
one.compile(
    tf.keras.optimizers.Adam(0.01),
    loss=found.loss(encoding, 0.1),
    loss_weights=found.loss_weights(encoding),
    metrics=found.watched(encoding),
)
history = one.fit(batches, epochs=25, verbose=0).history
(watched,) = (name for name in history if name.endswith("mean_iou"))
outputs = one.predict((part.images / 255.0).astype("float32"), verbose=0)
evaluation = found.evaluate(outputs, found.targets(part), encoding)
print(tf.keras.Model.__module__, encoding, history["loss"][-1] < 0.5 * history["loss"][0])
again = one.evaluate(batches, verbose=0, return_dict=True)
print(abs(again[watched] - evaluation.metrics["mean_iou"]) < 1e-4)
print(evaluation.metrics["mean_iou"] > 0.35, evaluation.metrics["top1"] > 0.5)
"""


@pytest.mark.slow
@pytest.mark.parametrize("generation", ["0", "1"], ids=["Keras 3", "Keras 2"])
def test_both_generations_of_keras_train_with_its_losses_and_metric(generation: str) -> None:
    environment = {
        **os.environ,
        "TF_USE_LEGACY_KERAS": generation,
        "PYTHONPATH": str(ROOT),
        "CUDA_VISIBLE_DEVICES": "-1",
    }
    done = subprocess.run(
        [sys.executable, "-c", TRAINING], capture_output=True, text=True, env=environment, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    first, *rest = done.stdout.splitlines()
    assert first.startswith("tf_keras" if generation == "1" else "keras")
    assert first.endswith("softmax True")
    assert rest == ["True", "True True"]
