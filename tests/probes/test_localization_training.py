"""Training of localisers: two outputs, two losses, boxes that are augmented with their images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnbench.errors import JobFailed, UserError
from cnnbench.models import registry
from cnnbench.probes.accuracy import run as accuracy
from cnnbench.probes.accuracy.training import loop
from cnnbench.probes.interface import Context, ProbeResult
from tests.probes import small_locators, trainings
from tests.probes.small_locators import setting


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("locators")  # one for all: a module is imported once


def train(folder: Path, scratch: Path, name: str = "trunk+box", **wording: Any) -> ProbeResult:
    model = small_locators.resolve(name, folder)
    return trainings.train(model, setting(**wording), folder, scratch)


@pytest.fixture(scope="module")
def trained(folder: Path) -> ProbeResult:
    wording = {"validation": 0.01, "keep_weights": True, "target_mean_iou": 0.05}
    return train(folder, folder / "trained", epochs=6, **wording)


@pytest.mark.slow
def test_box_and_class_are_learnt_together(trained: ProbeResult) -> None:
    metrics = trained.metrics
    assert metrics["mean_iou"] > trained.details["chance"]
    assert metrics["top1"] > 0.2
    assert 0 <= metrics["located_top1"] <= metrics["top1"]
    assert metrics["images_per_s"] > 0
    first, *_, last = trained.details["curve"]
    assert last["loss"] < first["loss"]
    assert last["mean_iou"] > first["mean_iou"]


@pytest.mark.slow
def test_the_watched_metric_is_in_the_curve_and_its_target_is_timed(trained: ProbeResult) -> None:
    for point in trained.details["curve"]:
        assert {"loss", "mean_iou", "val_loss", "val_mean_iou"} <= point.keys()
    assert 0 < trained.metrics["time_to_target_s"] <= trained.metrics["train_s"]


def test_what_is_kept_is_a_localiser_with_its_task_and_class_names(
    trained: ProbeResult, folder: Path
) -> None:
    kept = registry.resolve("seed-0.keras", (folder / "trained",))
    assert kept.task == "localization"
    assert kept.classes == 10
    by_weights = small_locators.resolve("trunk+box", folder).build(
        weights=folder / "trained" / "seed-0.weights.h5"
    )
    images = np.random.default_rng(0).random((2, 32, 32, 1)).astype(np.float32)
    ours, theirs = kept.build()(images), by_weights(images)
    assert set(ours) == {"boxes", "classes"}
    for role in ours:
        np.testing.assert_allclose(np.asarray(ours[role]), np.asarray(theirs[role]), atol=1e-6)


def test_a_kept_file_is_trained_and_evaluated_again(
    trained: ProbeResult, folder: Path, tmp_path: Path
) -> None:
    model = registry.resolve("seed-0.keras", (folder / "trained",))
    context = Context(0, tmp_path, tmp_path, cache=folder / "cache")
    again = accuracy.run(model, setting(epochs=1), context)
    assert again.metrics["mean_iou"] > 0


@pytest.mark.slow  # fast for classes: the loop is the same
def test_a_killed_training_goes_on_from_its_last_epoch(folder: Path, tmp_path: Path) -> None:
    short = {"train_examples": 128, "augment": {"flip": "horizontal", "translation": 0.1}}
    whole_run = train(folder, tmp_path / "whole", **short)
    trainings.killed_in_the_third_epoch(lambda: train(folder, tmp_path / "killed", **short))
    resumed = train(folder, tmp_path / "killed", **short)
    for name in ("mean_iou", "top1", "located_top1"):
        assert resumed.metrics[name] == pytest.approx(whole_run.metrics[name], abs=1e-6)
    assert [point["epoch"] for point in resumed.details["curve"]] == [1, 2, 3]


@pytest.mark.slow
def test_early_stopping_keeps_the_best_epoch(folder: Path, tmp_path: Path) -> None:
    wording = {"early_stop": 1, "validation": 0.01, "train_examples": 64, "epochs": 6}
    found = train(folder, tmp_path, schedule="constant", warmup=0, learning_rate=0.2, **wording)
    losses = [point["val_loss"] for point in found.details["curve"]]
    assert len(losses) < 6
    assert int(np.argmin(losses)) == len(losses) - 2


def test_a_diverged_training_is_a_failure_in_words(folder: Path, tmp_path: Path) -> None:
    wild = {"optimizer": "sgd", "learning_rate": 100.0, "clip_norm": None, "warmup": 0.0}
    with pytest.raises(JobFailed, match="diverged at epoch 1"):
        train(folder, tmp_path, loss_weights=[1.0, 1e30], **wild)


@pytest.mark.slow
def test_plain_sizes_and_other_weights_are_other_trainings(folder: Path, tmp_path: Path) -> None:
    short = {"train_examples": 64, "epochs": 1}
    usual = train(folder, tmp_path / "a", **short)
    plain = train(folder, tmp_path / "b", sqrt=False, **short)
    weighted = train(folder, tmp_path / "c", loss_weights=[0.8, 0.2], **short)
    losses = {one.details["curve"][0]["loss"] for one in (usual, plain, weighted)}
    assert len(losses) == 3


@pytest.mark.parametrize(
    "name",
    ["functional", pytest.param("Subclassed[input_shape=32x32x1]", marks=pytest.mark.slow)],
)
def test_a_network_of_ones_own_with_a_box_and_a_class_is_trained(
    name: str, folder: Path, tmp_path: Path
) -> None:
    model = small_locators.resolve(name, folder)
    if not model.classes:
        model = model.with_interface((32, 32, 1), 10)
    context = Context(0, tmp_path, tmp_path, search_path=(folder,), cache=folder / "cache")
    found = accuracy.run(model, setting(epochs=4), context)
    assert found.metrics["mean_iou"] > 0.1
    assert "boxes from " in found.details["output"]


def test_a_network_without_a_box_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="two outputs"):
        train(folder, tmp_path, name="trunk", train_examples=64)


@pytest.mark.slow
def test_letterboxed_pictures_are_other_images(folder: Path, tmp_path: Path) -> None:
    # Square scenes in a wide input: stretched by default, with grey beside them by `letterbox`.
    short = {"image_size": "own", "train_examples": 64, "epochs": 1}
    wide = "trunk+box[input_shape=32x48x1]"
    stretched = train(folder, tmp_path / "a", name=wide, **short)
    boxed = train(folder, tmp_path / "b", name=wide, fit="letterbox", **short)
    losses = [one.details["curve"][0]["loss"] for one in (stretched, boxed)]
    assert losses[0] != losses[1]


def test_a_metric_is_found_under_whatever_name_keras_gives_it() -> None:
    assert loop._of_metric({"loss": 1, "boxes_mean_iou": 0.5}, "mean_iou") == 0.5
    assert loop._of_metric({"top1": 0.1, "classes_top1": 0.2}, "top1") == 0.1
