"""Transfer: cached features are the frozen backbone's, and phase two trains what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnbench import files
from cnnbench.data import loading
from cnnbench.data.datasets import Request
from cnnbench.errors import JobFailed, Unavailable
from cnnbench.probes.accuracy import run as accuracy
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.probes.accuracy.training import network, recipes, transfer
from cnnbench.probes.accuracy.training.checkpoint import Checkpoint
from cnnbench.probes.accuracy.training.loop import Training
from cnnbench.probes.interface import Context
from tests.probes.small import SmallNet
from tests.tasks.objectives import classes


def setting(**wording: Any) -> AccuracySetting:
    return AccuracySetting.model_validate(
        {
            "dataset": "digits",
            "recipe": "transfer",
            "weights": "small.weights.h5",
            "image_size": 8,
            "epochs": 3,
            "learning_rate": 0.01,
            **wording,
        }
    )


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backbone whose BatchNormalization has statistics of its own."""
    import tensorflow as tf

    tf.keras.utils.set_random_seed(3)
    backbone = SmallNet().build(include_top=False)
    backbone.get_layer("bn1").moving_mean.assign(np.linspace(-0.1, 0.1, 16))
    file = tmp_path_factory.mktemp("weights") / "small.weights.h5"
    backbone.save_weights(str(file))
    return file


def trained(weights: Path, folder: Path, cache: bool | None, **wording: Any) -> Any:
    chosen = setting(**wording)
    wanted = Request("digits", 8, 1, train_examples=320, validation=0.1)
    task = recipes.TrainingJob(SmallNet(), chosen, loading.load(wanted), 5, weights)
    training = Training(
        chosen, task.objective, 5, Checkpoint(folder / "state.npz", "t"), lambda text: None
    )
    return recipes.from_pretrained(task, training, cache), training


def test_cached_features_train_the_same_head(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    cached, quick = trained(weights, tmp_path / "a", True)
    frozen, slow = trained(weights, tmp_path / "b", False)
    for ours, theirs in zip(cached.get_weights(), frozen.get_weights(), strict=True):
        assert ours == pytest.approx(theirs, abs=1e-5)
    assert [p["val_loss"] for p in quick.curve] == pytest.approx(
        [p["val_loss"] for p in slow.curve], rel=1e-4
    )


def test_phase_two_leaves_batch_statistics_and_early_layers_alone(
    weights: Path, tmp_path: Path
) -> None:
    before = SmallNet().build(include_top=False, weights=weights)
    whole, training = trained(
        weights, tmp_path, None, fine_tune_epochs=1, fine_tune_rate=0.01, unfreeze_from="conv2"
    )
    after = {layer.name: layer for layer in network.all_layers(whole)}
    same = {
        name: np.allclose(before.get_layer(name).get_weights(), after[name].get_weights())
        for name in ("conv1", "conv2")
    }
    assert same == {"conv1": True, "conv2": False}
    assert np.array_equal(
        before.get_layer("bn2").moving_mean.numpy(), after["bn2"].moving_mean.numpy()
    )
    assert [point["phase"] for point in training.curve] == [1, 1, 1, 2]


@pytest.mark.parametrize(("first", "trainable"), [(5, 2), (0.5, 4), ("bn2", 2), (0, 7)])
def test_unfreeze_from_index_fraction_and_name(
    weights: Path, first: int | float | str, trainable: int
) -> None:
    # The backbone's seven layers: conv1 bn1 relu1 drop1 conv2 bn2 relu2.
    nets = transfer.build(SmallNet(), setting(), classes(10), weights, seed=0)
    assert transfer.unfreeze(nets, first) == trainable
    assert sum(layer.trainable for layer in nets.backbone.layers) == trainable


def test_a_layer_that_is_not_there_is_named_with_the_nearest(weights: Path) -> None:
    nets = transfer.build(SmallNet(), setting(), classes(10), weights, seed=0)
    with pytest.raises(JobFailed, match=r"no layer 'conv3'.*did you mean 'conv"):
        transfer.unfreeze(nets, "conv3")
    with pytest.raises(JobFailed, match="unfreeze_from is 7, but the backbone has 7 layers"):
        transfer.unfreeze(nets, 7)


def test_it_is_named_before_phase_one_is_trained(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(JobFailed, match="no layer 'conv3'"):
        trained(weights, tmp_path, None, fine_tune_epochs=1, unfreeze_from="conv3")
    assert list(tmp_path.iterdir()) == []


def test_a_head_trained_on_features_counts_no_images(weights: Path, tmp_path: Path) -> None:
    _, training = trained(weights, tmp_path, True)
    assert training.images == 0
    (tmp_path / "fine").mkdir()
    _, training = trained(weights, tmp_path / "fine", True, fine_tune_epochs=1)
    assert training.images > 250


def test_weights_are_found_beside_the_suite_then_in_the_data_folder(
    weights: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    (data / "weights").mkdir(parents=True)
    with pytest.raises(Unavailable, match=r"no weights file 'small.weights.h5'; put it next to"):
        transfer.locate_weights(setting(), (tmp_path,), data)
    (data / "weights" / "small.weights.h5").write_bytes(weights.read_bytes())
    found = transfer.locate_weights(setting(), (tmp_path,), data)
    assert found == data / "weights" / "small.weights.h5"
    assert transfer.locate_weights(setting(), (weights.parent,), data) == weights
    known = files.sha256(weights)
    assert transfer.locate_weights(setting(weights_sha256=known), (tmp_path,), data) == found
    with pytest.raises(JobFailed, match="not those of the plan"):
        transfer.locate_weights(setting(weights_sha256="0" * 64), (tmp_path,), data)


def test_the_probe_keeps_the_trained_weights_on_request(weights: Path, tmp_path: Path) -> None:
    context = Context(0, tmp_path / "kept", tmp_path, search_path=(weights.parent,))
    found = accuracy.run(SmallNet(), setting(keep_weights=True), context)
    assert found.metrics["top1"] > found.details["chance"]
    assert (tmp_path / "kept" / "seed-0.weights.h5").exists()


def test_killed_in_phase_two_it_goes_on_there(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wording = {"fine_tune_epochs": 2, "fine_tune_rate": 0.01, "unfreeze_from": "conv2"}
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    whole, _ = trained(weights, tmp_path / "whole", None, **wording)
    epoch, phases = Training._epoch, []

    def killed_in_the_last(self: Training, model: Any, batches: Any, phase: Any, done: int) -> Any:
        if phase.number == 2 and done == 1 and not phases:
            raise KeyboardInterrupt
        if phases:
            phases.append(phase.number)
        return epoch(self, model, batches, phase, done)

    monkeypatch.setattr(Training, "_epoch", killed_in_the_last)
    with pytest.raises(KeyboardInterrupt):
        trained(weights, tmp_path / "killed", None, **wording)
    phases.append(0)
    resumed, training = trained(weights, tmp_path / "killed", None, **wording)
    assert phases == [0, 2]  # nothing but the last epoch
    assert training.features_s > 0
    for ours, theirs in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        assert ours == pytest.approx(theirs, abs=1e-6)


def test_phase_one_alone_may_be_free_of_augmentation(weights: Path) -> None:
    from cnnbench.data.augmentation import Augment
    from cnnbench.probes.accuracy.training.loop import Phase

    data = loading.load(Request("digits", 8, 1, train_examples=100))
    flips = {"augment": {"flip": "horizontal"}}
    both = recipes.TrainingJob(SmallNet(), setting(**flips), data, 0, weights)
    second = recipes.TrainingJob(SmallNet(), setting(**flips, augment_head=False), data, 0, weights)
    one, two = Phase(1, 1, 0.1), Phase(2, 1, 0.1)
    assert both.augment(one) == both.augment(two) == second.augment(two) != Augment()
    assert second.augment(one) == Augment()
