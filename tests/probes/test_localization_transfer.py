"""Transfer behind a head of the name: what is frozen, what is computed once, what is trained."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnbench.data import loading
from cnnbench.data.datasets import Request
from cnnbench.models.heads import PREFIX
from cnnbench.models.model import Model
from cnnbench.probes.accuracy import run as accuracy
from cnnbench.probes.accuracy.training import network, recipes, transfer
from cnnbench.probes.accuracy.training.checkpoint import Checkpoint
from cnnbench.probes.accuracy.training.loop import Training
from cnnbench.probes.interface import Context
from tests.conftest import ROOT
from tests.probes import small_locators
from tests.probes.small_locators import SCENES, setting


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("transfer")


@pytest.fixture(scope="module")
def model(folder: Path) -> Model:
    return small_locators.resolve("trunk+box", folder)


@pytest.fixture(scope="module")
def weights(folder: Path, model: Model) -> Path:
    """The weights of a backbone whose normalisation has statistics of its own."""
    return small_locators.backbone_weights(model, folder)


def trained(
    model: Model, weights: Path, folder: Path, cache: bool | None = None, **wording: Any
) -> tuple[Any, Training]:
    folder.mkdir(exist_ok=True)
    chosen = setting(recipe="transfer", weights="small.weights.h5", **wording)
    data = loading.load(Request(SCENES, 32, 1, train_examples=96, test_examples=10, fit="stretch"))
    job = recipes.TrainingJob(model, chosen, data, 5, weights)
    state = Checkpoint(folder / "state.npz", "t")
    training = Training(chosen, job.objective, 5, state, lambda text: None)
    return recipes.from_pretrained(job, training, cache), training


def values(whole: Any) -> dict[str, list[np.ndarray]]:
    return {layer.name: layer.get_weights() for layer in whole.layers if layer.weights}


def changed(model: Model, weights: Path, whole: Any) -> set[str]:
    """Return the layers whose weights, statistics included, are not those of the file."""
    before = values(model.build(include_top=False, weights=weights))
    after = values(whole)
    return {
        name
        for name in after
        if name not in before or not all(map(np.array_equal, before[name], after[name]))
    }


HEAD = {f"{PREFIX}boxes", f"{PREFIX}classes"}


@pytest.mark.parametrize("cache", [True, False])
def test_phase_one_trains_the_head_alone(
    model: Model, weights: Path, tmp_path: Path, cache: bool
) -> None:
    whole, training = trained(model, weights, tmp_path, cache)
    assert changed(model, weights, whole) == HEAD
    assert training.images == (0 if cache else 96)


@pytest.mark.slow  # fast for classes: the recipe is the same
def test_features_computed_once_train_the_same_head(
    model: Model, weights: Path, tmp_path: Path
) -> None:
    cached, quick = trained(model, weights, tmp_path / "a", True)
    through, slow = trained(model, weights, tmp_path / "b", False)
    for ours, theirs in zip(cached.get_weights(), through.get_weights(), strict=True):
        assert ours == pytest.approx(theirs, abs=1e-4)
    assert [p["loss"] for p in quick.curve] == pytest.approx(
        [p["loss"] for p in slow.curve], rel=1e-3
    )


@pytest.mark.slow
def test_phase_two_trains_the_last_layers_and_leaves_all_normalisation_alone(
    model: Model, weights: Path, tmp_path: Path
) -> None:
    phases = {"fine_tune_epochs": 1, "fine_tune_rate": 0.01, "unfreeze_from": "conv1"}
    whole, training = trained(model, weights, tmp_path, **phases)
    assert changed(model, weights, whole) == HEAD | {"conv1", "conv2"}
    assert [point["phase"] for point in training.curve] == [1, 1, 1, 2]


@pytest.mark.slow
def test_images_are_augmented_with_their_boxes_in_both_phases(
    model: Model, weights: Path, tmp_path: Path
) -> None:
    flips = {"augment": {"flip": "horizontal"}, "fine_tune_epochs": 1}
    _, training = trained(model, weights, tmp_path, **flips)
    assert training.images == 96
    assert training.features_s == 0


def test_a_new_head_follows_the_seed(model: Model, weights: Path) -> None:
    chosen = setting(recipe="transfer")
    objective = chosen.objective([str(n) for n in range(10)])
    made = [transfer.build(model, chosen, objective, weights, seed).whole for seed in (1, 1, 2)]
    kernels = [one.get_layer(f"{PREFIX}boxes").get_weights()[0] for one in made]
    assert np.array_equal(kernels[0], kernels[1])
    assert not np.array_equal(kernels[0], kernels[2])


def test_the_probe_keeps_a_network_that_safe_mode_loads(
    model: Model, weights: Path, tmp_path: Path
) -> None:
    from cnnbench.models import registry

    chosen = setting(recipe="transfer", weights=weights.name, keep_weights=True, epochs=1)
    context = Context(0, tmp_path, tmp_path, search_path=(weights.parent,))
    found = accuracy.run(model, chosen, context)
    kept = registry.resolve("seed-0.keras", (tmp_path,))
    assert kept.task == "localization"
    ours, theirs = (
        [np.asarray(one) for one in net.get_weights()]
        for net in (kept.build(), model.build(weights=tmp_path / "seed-0.weights.h5"))
    )
    assert all(map(np.array_equal, ours, theirs))
    assert found.metrics["mean_iou"] > 0


def test_layers_are_unfrozen_by_index_fraction_and_name(model: Model, weights: Path) -> None:
    chosen = setting(recipe="transfer")
    objective = chosen.objective([str(n) for n in range(10)])
    nets = transfer.build(model, chosen, objective, weights, 0)
    # The input, then four layers in each of three blocks.
    assert len(nets.layers) == 13
    assert transfer.unfreeze(nets, "conv2") == 4
    assert transfer.unfreeze(nets, 0.5) == 7
    trainable = [layer.name for layer in nets.layers if layer.trainable and layer.weights]
    assert trainable == ["conv2"]
    nets.freeze()
    assert not any(layer.trainable for layer in nets.layers)
    assert {layer.name for layer in network.all_layers(nets.whole) if layer.trainable} == {
        f"{PREFIX}pool",
        *HEAD,
    }


_KERAS_2 = """
import sys
from pathlib import Path

import tensorflow as tf

assert tf.keras.layers.Layer.__module__.startswith("tf_keras")
from tests.probes import small_locators
from tests.probes import test_localization_transfer as tests

folder = Path(sys.argv[1])
model = small_locators.resolve("trunk+box", folder)
weights = small_locators.backbone_weights(model, folder)
tests.test_phase_one_trains_the_head_alone(model, weights, folder / "a", True)
tests.test_phase_one_trains_the_head_alone(model, weights, folder / "b", False)
tests.test_phase_two_trains_the_last_layers_and_leaves_all_normalisation_alone(
    model, weights, folder / "c"
)
"""


@pytest.mark.slow
def test_keras_2_freezes_and_trains_the_same_layers(tmp_path: Path) -> None:
    environment = os.environ | {"TF_USE_LEGACY_KERAS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", _KERAS_2, str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr[-3000:]
