"""Networks whose outputs are no softmax over the classes, and networks that scale by themselves."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cnnbench.errors import JobFailed
from cnnbench.models import registry
from cnnbench.probes.accuracy import run as accuracy
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.probes.accuracy.training import network
from cnnbench.probes.interface import Context, ProbeResult
from cnnbench.results import journal
from cnnbench.tasks.classification.objective import cross_entropy, top1

# A file of builders; `classes` is a parameter of those that take it.
BUILDERS = """
from tensorflow import keras

layers = keras.layers


def _net(*top, first=()):
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)), *first, layers.Conv2D(8, 3, activation="tanh"),
            layers.GlobalAveragePooling2D(), *top,
        ]
    )


def sigmoid():
    return _net(layers.Dense(1, "sigmoid"))


def logit():
    return _net(layers.Dense(1))


def softmax_of_one():
    return _net(layers.Dense(1, "softmax"))


def sigmoids(classes=2):
    return _net(layers.Dense(classes, "sigmoid"))


def rescaling(classes=2):
    return _net(layers.Dense(classes, "softmax"), first=[layers.Rescaling(1 / 255)])
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty dark and twenty bright pictures, and networks that tell them apart."""
    place = tmp_path_factory.mktemp("kinds")
    (place / "kinds_of_outputs.py").write_text(BUILDERS)
    random = np.random.default_rng(0)
    for label, low in (("bright", 150), ("dark", 0)):
        (place / "photos" / label).mkdir(parents=True)
        for number in range(20):
            pixels = random.integers(low, low + 100, (8, 8, 3), np.uint8)
            Image.fromarray(pixels).save(place / "photos" / label / f"{number}.png")
    return place


def train(place: Path, name: str, scratch: Path, **wording: Any) -> ProbeResult:
    scratch.mkdir(exist_ok=True)
    subject = registry.resolve(f"kinds_of_outputs.py:{name}", (place,))
    if not subject.classes:
        subject = subject.with_interface((8, 8, 3), subject.build().outputs[0].shape[-1])
    elif not subject.input_shape:
        subject = subject.with_interface((8, 8, 3), subject.classes)
    setting = AccuracySetting.model_validate(
        {
            **{"dataset": "folder:photos", "image_size": 8, "epochs": 40, "batch_size": 8},
            **{"learning_rate": 0.03, "validation": 0.2, **wording},
        }
    )
    return accuracy.run(subject, setting, Context(0, scratch, scratch, search_path=(place,)))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sigmoid", "logit", "sigmoids"])
def test_two_classes_are_learnt_by_one_output_or_a_sigmoid_each(
    name: str, place: Path, tmp_path: Path
) -> None:
    found = train(place, name, tmp_path)
    assert found.metrics["top1"] == 1.0
    assert np.diag(found.details["confusion"]).tolist() == [4, 4]
    # What training said of the validation images is of the same kind.
    assert found.details["curve"][-1]["val_top1"] == 1.0
    assert found.metrics["loss"] < 0.5


def test_a_softmax_over_one_output_is_refused_before_it_is_trained(
    place: Path, tmp_path: Path
) -> None:
    with pytest.raises(JobFailed, match="its single output is a softmax"):
        train(place, "softmax_of_one", tmp_path)


def test_the_loss_of_one_output_by_hand() -> None:
    """Labels 0 and 1, probabilities of the second class 0.2 and 0.9."""
    labels = np.eye(2, dtype=np.float32)
    by_hand = -(np.log(0.8) + np.log(0.9)) / 2
    given = np.array([[0.2], [0.9]], np.float32)
    assert float(cross_entropy("sigmoid")(labels, given)) == pytest.approx(by_hand, rel=1e-5)
    logits = np.log(given / (1 - given))
    assert float(cross_entropy("logit")(labels, logits)) == pytest.approx(by_hand, rel=1e-5)
    each = np.concatenate([1 - given, given], axis=1)
    assert float(cross_entropy("sigmoids")(labels, each)) == pytest.approx(by_hand, rel=1e-5)
    metric = top1("logit")
    metric.update_state(labels, np.array([[-1.0], [-2.0]], np.float32))
    assert float(metric.result()) == 0.5


@pytest.mark.slow
def test_inputs_that_are_scaled_twice_are_said_and_can_be_left_alone(
    place: Path, tmp_path: Path
) -> None:
    twice = train(place, "rescaling", tmp_path / "a", epochs=1)
    assert [note for note in twice.details["notes"] if "scaled twice" in note]
    once = train(place, "rescaling", tmp_path / "b", preprocessing="none")
    assert once.details["notes"] == []
    assert once.metrics["top1"] == 1.0


@pytest.mark.parametrize(
    ("name", "scales"),
    [("MobileNetV3Small", True), ("EfficientNetB0", True), ("MobileNetV2", False)],
)
def test_which_networks_scale_by_themselves(name: str, scales: bool) -> None:
    model = registry.resolve(f"{name}[input_shape=32x32x3]")
    built = model.architecture()
    assert network.scales_twice(built, lambda images: images / 255) == scales
    assert not network.scales_twice(built, lambda images: images)
    assert network.notes(built, model.preprocess) == [], "the catalogue knows which they are"


def test_settings_that_ask_for_nothing_new_are_written_as_ever() -> None:
    plain = AccuracySetting(dataset="digits", image_size=8)
    written = plain.model_dump(mode="json")
    assert not {"preprocessing", "class_names", "class_names_sha256"} & written.keys()
    assert AccuracySetting.model_validate(written) == plain
    other = AccuracySetting(dataset="digits", image_size=8, preprocessing="none")
    assert other.model_dump(mode="json") == {**written, "preprocessing": "none"}
    assert other.label() == f"{plain.label()}/preprocessing=none"


SUITE = """
name: two
models: [kinds_of_outputs.py:sigmoid]
probes:
  accuracy: {dataset: "folder:photos", image_size: 8, epochs: 40, batch_size: 8,
             learning_rate: 0.03, seeds: 1, keep_weights: true}
"""
# The network that the first suite kept, trained and calibrated as a model of its own.
AGAIN = """
name: again
models: [kept.keras]
probes:
  accuracy: {dataset: "folder:photos", image_size: 8, epochs: 10, batch_size: 8,
             learning_rate: 0.03, seeds: 1}
  compression:
    training: {dataset: "folder:photos", image_size: 8, epochs: 10, batch_size: 8,
               learning_rate: 0.03}
    variants: [ptq-int8]
    representative: 16
    max_rounds: 1
    min_rounds: 1
"""


@pytest.mark.slow
def test_a_kept_file_is_trained_and_calibrated_like_any_network(
    place: Path, tmp_path: Path
) -> None:
    for name in ("kinds_of_outputs.py", "photos"):
        (tmp_path / name).symlink_to(place / name)

    def run(text: str) -> list[Any]:
        (tmp_path / "suite.yaml").write_text(text)
        command = [sys.executable, "-m", "cnnbench", "run", "suite.yaml"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        (file,) = (tmp_path / "results").glob(f"{text.split()[1]}/*/records.jsonl")
        return list(journal.read(file)[1])

    (first,) = run(SUITE)
    assert first.metrics["top1"] == 1.0
    (kept,) = (tmp_path / "results" / "two").glob("*/artifacts/*/*/seed-0.keras")
    (tmp_path / "kept.keras").write_bytes(kept.read_bytes())
    records = run(AGAIN)
    assert {record.status for record in records} == {"ok"}
    judged = {record.variant: record for record in records if "agreement" in record.metrics}
    assert judged.keys() == {"float32", "ptq-int8"}
    for record in judged.values():
        assert record.metrics["top1"] == 1.0
        assert record.metrics["agreement"] == 1.0
        assert json.loads(json.dumps(record.details["confusion"])) == [[4, 0], [0, 4]]
