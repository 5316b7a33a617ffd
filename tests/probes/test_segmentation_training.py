"""Training of segmentation networks: masks as targets, mean IoU watched, weights kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cnnbench.api.predict import predict
from cnnbench.data import loading
from cnnbench.data.datasets import Request
from cnnbench.errors import JobFailed, UserError
from cnnbench.models import registry
from cnnbench.probes.accuracy import run as accuracy
from cnnbench.probes.accuracy.settings import AccuracySetting, AccuracySpec
from cnnbench.probes.accuracy.training.loop import Training
from cnnbench.probes.interface import Context, ProbeResult
from cnnbench.tasks.segmentation import SEGMENTATION
from tests.data import annotated
from tests.probes import trainings
from tests.probes.small_segmenters import SCENES, resolve, setting


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("segmenters")  # one for all: a module is imported once


def train(folder: Path, scratch: Path, name: str = "tiny", **wording: Any) -> ProbeResult:
    return trainings.train(resolve(name, folder), setting(**wording), folder, scratch)


@pytest.fixture(scope="module")
def trained(folder: Path) -> ProbeResult:
    wording = {"validation": 0.01, "keep_weights": True, "target_segmentation_miou": 0.01}
    return train(folder, folder / "trained", **wording)


def test_masks_are_learnt_and_the_mean_iou_is_watched(trained: ProbeResult) -> None:
    metrics, details = trained.metrics, trained.details
    assert metrics["segmentation_miou"] > details["chance"] + 0.02
    assert metrics["boundary_iou"] < metrics["segmentation_miou"] < metrics["pixel_accuracy"]
    first, *_, last = details["curve"]
    assert last["loss"] < first["loss"]
    for point in details["curve"]:
        assert {"segmentation_miou", "val_segmentation_miou", "val_loss"} <= point.keys()
    assert 0 < metrics["time_to_target_s"] <= metrics["train_s"]
    assert details["classes"][:2] == ["background", "T-shirt/top"]
    assert details["notes"] == []


def test_what_is_kept_is_a_segmentation_network_with_the_background_among_its_names(
    trained: ProbeResult, folder: Path, tmp_path: Path
) -> None:
    kept = registry.resolve("seed-0.keras", (folder / "trained",))
    assert (kept.task, kept.classes, kept.entry.class_names[0]) == (
        *("segmentation", 11),
        "background",
    )
    context = Context(0, tmp_path, tmp_path, cache=folder / "cache")
    again = accuracy.run(kept, setting(epochs=1, train_examples=32), context)
    assert 0 <= again.metrics["segmentation_miou"] <= 1
    assert SEGMENTATION.refusal(kept, 10) == ""
    assert SEGMENTATION.refusal(kept, 3) == (
        "has 11 channels, but the data set needs 4: the background and 3 classes"
    )


def test_the_classes_of_a_picture_are_predicted_and_drawn(
    trained: ProbeResult, folder: Path, tmp_path: Path
) -> None:
    data = loading.load(Request(SCENES, 48, 1, train_examples=2, test_examples=3))
    pictures = [tmp_path / f"scene{number}.png" for number in range(3)]
    for file, image in zip(pictures, data.test.images, strict=True):
        Image.fromarray(image[..., 0]).save(file)
    drawn = tmp_path / "drawn"
    found = predict(str(folder / "trained" / "seed-0.keras"), pictures, draw=drawn)
    for file, of_image in zip(pictures, found.to_json(), strict=True):
        segments = of_image["segments"]
        assert sum(one["share"] for one in segments) == pytest.approx(1), "all classes by default"
        assert segments[-1]["name"] == "background", "it comes last"
        with Image.open(drawn / file.name) as picture:
            assert picture.size == (48, 48)
    assert " %  background" in str(found)


@pytest.mark.slow  # fast for detectors: the loop is the same
def test_early_stopping_keeps_the_epoch_with_the_best_mean_iou(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = iter([0.1, 0.3, 0.2, 0.25, 0.9])
    kept: list[list[np.ndarray]] = []
    plain = Training._evaluated

    def evaluated(self: Training, model: Any, *args: Any) -> dict[str, Any]:
        kept.append(model.get_weights())
        return plain(self, model, *args) | {"val_segmentation_miou": next(given)}

    monkeypatch.setattr(Training, "_evaluated", evaluated)
    wording = {"early_stop": 2, "validation": 0.01, "epochs": 5, "keep_weights": True}
    found = train(folder, tmp_path, train_examples=32, **wording)
    assert len(found.details["curve"]) == 4
    network = registry.resolve("seed-0.keras", (tmp_path,)).build()
    for ours, best in zip(network.get_weights(), kept[1], strict=True):
        np.testing.assert_array_equal(ours, best)


@pytest.mark.slow
def test_a_killed_training_goes_on_from_its_last_epoch(folder: Path, tmp_path: Path) -> None:
    moving = {"flip": "horizontal", "translation": 0.1, "rotation": 0.1, "zoom": 0.1}
    whole_run = train(folder, tmp_path / "whole", augment=moving)
    trainings.killed_in_the_third_epoch(lambda: train(folder, tmp_path / "killed", augment=moving))
    resumed = train(folder, tmp_path / "killed", augment=moving)
    losses = [[point["loss"] for point in one.details["curve"]] for one in (resumed, whole_run)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert resumed.metrics["segmentation_miou"] == pytest.approx(
        whole_run.metrics["segmentation_miou"], abs=1e-6
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("coarse", "its maps have 16x16 px, but its images 32x32"),
        ("flat", r"a segmentation network returns maps of scores.*has the shape 11"),
    ],
)
def test_networks_without_a_score_for_every_pixel_are_refused(
    name: str, words: str, folder: Path, tmp_path: Path
) -> None:
    with pytest.raises((JobFailed, UserError), match=words):
        train(folder, tmp_path, name)


def test_several_outputs_one_is_named(folder: Path, tmp_path: Path) -> None:
    found = train(folder, tmp_path, "deep_supervision[output=out]", epochs=1, train_examples=32)
    assert found.details["output"] == "out"


def test_a_data_set_without_masks_is_refused_when_planning() -> None:
    spec = AccuracySpec.model_validate({"dataset": "digits", "task": "segmentation"})
    model = registry.resolve("BasicCNN+fcn8s")
    (misfit,) = spec.misfits([model])
    assert "is for segmentation, which needs semantic masks; digits has one class" in (
        misfit.error.one_line()
    )


def test_a_wrong_number_of_channels_is_refused_when_planning() -> None:
    model = registry.resolve("BasicCNN+fcn8s[classes=10]")
    spec = AccuracySpec.model_validate({"dataset": SCENES})
    with pytest.raises(UserError) as caught:
        list(spec.settings(model))
    assert "has 10 channels, but the data set needs 11" in caught.value.one_line()
    assert "write classes=11 in its name" in caught.value.one_line()


def test_options_are_part_of_the_setting() -> None:
    chosen = setting(ignored_classes=["background", 3], dice_weight=0.5, class_weights="balanced")
    for part in ("ignored_classes=background:3", "dice_weight=0.5", "class_weights=balanced"):
        assert part in chosen.label().split("/")
    written = setting(dice_weight=0.5).model_dump(mode="json")
    assert written["dice_weight"] == 0.5
    assert "class_weights" not in written, "defaults are not part of a key"


@pytest.mark.parametrize(
    ("wording", "words"),
    [
        ({"ignored_classes": ["Trousers"]}, "has no class 'Trousers' .did you mean 'Trouser'"),
        ({"ignored_classes": list(range(11))}, "these are all classes"),
        ({"class_weights": [1, 2]}, "class_weights has 2 numbers, but .* has 11 classes"),
    ],
)
def test_options_that_do_not_fit_the_data_set_fail_in_one_line(
    wording: dict[str, Any], words: str, folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(JobFailed, match=words):
        train(folder, tmp_path, epochs=1, train_examples=32, **wording)


def test_ignored_classes_are_neither_learnt_nor_judged(folder: Path, tmp_path: Path) -> None:
    wording = {"ignored_classes": ["background", "Bag"], "epochs": 1, "train_examples": 64}
    found = train(folder, tmp_path, **wording)
    of_class = dict(zip(found.details["classes"], found.details["class_pixels"], strict=True))
    assert of_class["background"] == of_class["Bag"] == 0 < of_class["Trouser"]
    assert found.details["class_iou"]["segmentation_miou"][0] is None
    (note,) = found.details["notes"]
    assert note.endswith("of the test pixels ignored")


def test_a_users_masks_are_trained_on_and_a_kept_file_is_evaluated_as_it_is(
    tmp_path: Path,
) -> None:
    annotated.write_coco(tmp_path / "pets", annotated.examples(20), masks=True)
    of_pets = {"dataset": "folder:pets", "test_examples": None, "train_examples": None}
    context = Context(0, tmp_path, tmp_path, search_path=(tmp_path,))
    model = resolve("tiny[classes=3]", tmp_path)
    chosen = setting(**of_pets, batch_size=4, epochs=2, keep_weights=True)
    whole = accuracy.run(model, chosen, context)
    assert whole.details["classes"] == ["background", "cat", "dog"]
    assert any("judged at the network's input, 32x32 px" in one for one in whole.details["notes"])
    evaluation = AccuracySetting.model_validate(
        {"dataset": "folder:pets", "task": "segmentation", "recipe": "pretrained"}
        | {"weights": "imagenet", "image_size": 32}
    )
    kept = registry.resolve("seed-0.keras", (tmp_path,))
    found = accuracy.run(kept, evaluation, context)
    assert 0 < found.metrics["segmentation_miou"] <= 1
    assert found.details["n_test"] >= whole.details["n_test"]
