"""Training for real, on images of 8 × 8 px."""

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

from cnnbench.errors import JobFailed
from cnnbench.models import registry
from cnnbench.probes.accuracy import run as accuracy
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.probes.accuracy.training import loop, network
from cnnbench.probes.accuracy.training.checkpoint import Checkpoint
from cnnbench.probes.interface import Context, ProbeResult
from cnnbench.tasks.classification.outputs import kind_of_network
from tests.probes.small import SmallNet
from tests.suite.fake import FakeModel
from tests.tasks.objectives import classes

SHORT: dict[str, Any] = {"dataset": "digits", "image_size": 8, "epochs": 3, "learning_rate": 0.02}


def train(folder: Path, seed: int = 0, subject: Any = None, **wording: Any) -> ProbeResult:
    folder.mkdir(parents=True, exist_ok=True)
    setting = AccuracySetting.model_validate({**SHORT, **wording})
    return accuracy.run(subject or SmallNet(), setting, Context(seed, folder, folder))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> ProbeResult:
    return train(tmp_path_factory.mktemp("trained"))


def test_it_learns(trained: ProbeResult) -> None:
    assert trained.metrics["top1"] > 0.8
    assert trained.metrics["top5"] > trained.metrics["top1"]
    assert trained.metrics["images_per_s"] > 0


def test_what_is_recorded_is_small_and_complete(trained: ProbeResult) -> None:
    details = trained.details
    assert len(json.dumps(details)) < 20_000
    assert [point["epoch"] for point in details["curve"]] == [1, 2, 3]
    assert np.sum(details["confusion"]) == details["n_test"] == 359
    assert np.trace(details["confusion"]) == details["n_correct"]
    assert trained.metrics["top1"] == details["n_correct"] / 359


def test_the_seed_decides_everything(trained: ProbeResult, tmp_path: Path) -> None:
    again, other = train(tmp_path / "a"), train(tmp_path / "b", seed=1)
    measured = ("top1", "loss", "ece")
    assert [again.metrics[m] for m in measured] == [trained.metrics[m] for m in measured]
    assert other.metrics["loss"] != trained.metrics["loss"]


def test_from_scratch_a_keras_file_does_not_begin_with_its_own_weights(tmp_path: Path) -> None:
    import tensorflow as tf

    net = SmallNet().build()
    for layer in net.layers:
        layer.set_weights([np.full_like(weight, 7.0) for weight in layer.get_weights()])
    net.save(tmp_path / "net.keras")
    subject = registry.resolve(str(tmp_path / "net.keras"))
    kernels = []
    for seed in (1, 2):
        tf.keras.utils.set_random_seed(seed)
        model, _ = network.scratch(subject, (8, 8, 1), classes(10), batchnorm_momentum=0.9)
        kernels.append(model.get_layer("conv1").get_weights()[0])
    assert not np.any(kernels[0] == 7.0)
    assert not np.array_equal(*kernels)


def test_a_fixed_input_is_not_trained_on_images_of_another_size() -> None:
    fixed = FakeModel("Net", "Net", input_shape=(20, 20, 3), fixed=frozenset({"input_shape"}))
    asked = AccuracySetting(dataset="digits", image_size=28)
    own = asked.model_copy(update={"image_size": "own"})
    assert network.images(fixed, own) == (20, 20, 3)
    with pytest.raises(JobFailed, match="fixed at 20x20x3, not 28x28x3: set `image_size: own`"):
        network.images(fixed, asked)


def test_a_fixed_network_of_other_classes_is_not_trained(tmp_path: Path) -> None:
    net = SmallNet()
    net.classes, net.fixed = 7, frozenset({"classes"})
    with pytest.raises(JobFailed, match="it has 7 classes, but digits has 10"):
        train(tmp_path, subject=net)


def test_classes_that_a_name_states_and_the_data_set_has_not_are_said(tmp_path: Path) -> None:
    net = SmallNet()
    net.classes, net.stated = 7, frozenset({"classes"})
    short = {"subject": net, "epochs": 1, "train_examples": 40}
    said = ["trained for the data set's 10 classes"]
    assert train(tmp_path, **short).details["notes"] == said
    net.classes = 10
    assert train(tmp_path, **short).details["notes"] == []


def test_it_says_which_epoch_and_step_and_how_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "_REPORT_EVERY_S", 0.0)
    said: list[str] = []
    setting = AccuracySetting.model_validate({**SHORT, "train_examples": 320, "epochs": 2})
    accuracy.run(SmallNet(), setting, Context(0, tmp_path, tmp_path, report_progress=said.append))
    steps = [words for words in said if words.startswith("epoch ")]
    assert steps[0] == "epoch 1/2"
    assert re.fullmatch(r"epoch 1/2, step 1/5, \d+ s left", steps[1])
    assert steps[-1] == "epoch 2/2, step 5/5, 0 s left"
    assert said[-1] == "testing on 359 images"


def test_what_is_kept_can_be_named_as_a_model_with_its_weights(tmp_path: Path) -> None:
    train(tmp_path, epochs=1, keep_weights=True)
    kept = registry.resolve(str(tmp_path / "seed-0.keras")).build()
    by_weights = SmallNet().build(weights=tmp_path / "seed-0.weights.h5")
    for ours, theirs in zip(kept.get_weights(), by_weights.get_weights(), strict=True):
        assert np.array_equal(ours, theirs)
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 1)).astype(np.float32)
    seen = registry.resolve(str(tmp_path / "seed-0.keras")).preprocess(images)
    np.testing.assert_allclose(seen, SmallNet().preprocess(images), atol=1e-6)


def test_a_killed_training_goes_on_from_its_last_epoch(
    trained: ProbeResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cnnbench.probes.accuracy.training.loop import Training

    whole = Training._epoch

    def killed_in_the_third(self: Training, *args: Any) -> dict[str, Any]:
        if args[-1] == 2:
            raise KeyboardInterrupt
        return whole(self, *args)

    with monkeypatch.context() as patched:
        patched.setattr(Training, "_epoch", killed_in_the_third)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path)
    epochs: list[int] = []

    def counted(self: Training, *args: Any) -> dict[str, Any]:
        epochs.append(args[-1])
        return whole(self, *args)

    monkeypatch.setattr(Training, "_epoch", counted)
    resumed = train(tmp_path)
    assert epochs == [2]
    assert resumed.metrics["loss"] == pytest.approx(trained.metrics["loss"], rel=1e-6)
    assert resumed.details["correct"] == trained.details["correct"]
    # The third epoch traced its graph again: the second alone says how long one takes.
    curve = resumed.details["curve"]
    assert [point["epoch"] for point in curve if "traced" in point] == [1, 3]
    assert resumed.metrics["epoch_s"] == curve[1]["seconds"]
    assert list(tmp_path.iterdir()) == []


def test_a_diverged_training_is_a_failure_in_words(tmp_path: Path) -> None:
    with pytest.raises(JobFailed, match="diverged at epoch 1"):
        train(
            tmp_path,
            learning_rate=100.0,
            optimizer="sgd",
            clip_norm=None,
            warmup=0.0,
            subject=Exploding(),
        )


def test_a_validation_loss_that_is_no_number_is_a_failure_too(tmp_path: Path) -> None:
    class Blind:
        def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
            return {"loss": float("nan"), "top1": 0.1}

    setting = AccuracySetting.model_validate(SHORT)
    state = Checkpoint(tmp_path / "state.npz", "t")
    training = loop.Training(setting, classes(10), 0, state, lambda text: None)
    with pytest.raises(JobFailed, match="diverged at epoch 3: the validation loss is nan"):
        training._evaluated(Blind(), loop.Validation(None, np.zeros(0)), 3)


def test_images_a_second_are_of_those_that_were_trained_on(tmp_path: Path) -> None:
    found = train(tmp_path, train_examples=100, batch_size=64, epochs=2)
    assert found.metrics["images_per_s"] * found.metrics["epoch_s"] == pytest.approx(64)


def test_a_checkpoint_that_a_power_cut_left_empty_is_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "training.npz"
    file.touch()
    assert Checkpoint(file, "t").load() is None


class Exploding(SmallNet):
    """A network whose outputs overflow at once."""

    def preprocess(self, images: Any) -> Any:
        return images * 1e38


def test_logits_are_recognised(tmp_path: Path) -> None:
    subject = SmallNet(activation=None)
    assert kind_of_network(subject.build()) == "logits"
    assert kind_of_network(SmallNet().build()) == "softmax"
    assert train(tmp_path, subject=subject).metrics["top1"] > 0.8


def test_batchnorm_momentum_reaches_nested_layers() -> None:
    import tensorflow as tf

    inner = SmallNet().build(include_top=False)
    outer = tf.keras.Sequential([tf.keras.layers.Input((8, 8, 1)), inner])
    assert network.set_batchnorm_momentum(outer, 0.9) == 2
    assert inner.get_layer("bn1").momentum == 0.9


_KERAS_2 = """
import tensorflow as tf
from cnnbench.probes.accuracy.training import network
from tests.suite.fake import FakeModel
from tests.probes.small import SmallNet
from tests.tasks.objectives import classes

assert tf.keras.layers.Layer.__module__.startswith("tf_keras")
inner = SmallNet().build(include_top=False)
outer = tf.keras.Sequential([tf.keras.layers.Input((8, 8, 1)), inner])
assert network.set_batchnorm_momentum(outer, 0.9) == 2
big = tf.keras.applications.MobileNetV3Small(weights=None, input_shape=(32, 32, 3))
assert network.set_batchnorm_momentum(big, 0.9) == 34
assert {l.momentum for l in big.layers if network.is_batchnorm(l)} == {0.9}
"""


@pytest.mark.slow
def test_batchnorm_momentum_in_keras_2() -> None:
    environment = os.environ | {"TF_USE_LEGACY_KERAS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", _KERAS_2], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
