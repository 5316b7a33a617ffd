"""Training of detectors: all objects of an image, by the coding that the network states."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cnnbench.api.predict import predict
from cnnbench.data import loading, pipeline
from cnnbench.data.datasets import Request
from cnnbench.errors import JobFailed, UserError
from cnnbench.models import registry
from cnnbench.models.heads import PREFIX
from cnnbench.probes.accuracy import run as accuracy
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.probes.accuracy.training import recipes
from cnnbench.probes.accuracy.training.checkpoint import Checkpoint
from cnnbench.probes.accuracy.training.loop import Training
from cnnbench.probes.interface import Context, ProbeResult
from cnnbench.tasks.detection import DETECTION, DetectionOptions
from cnnbench.tasks.detection.codings import stated
from cnnbench.tasks.detection.objective import DetectionObjective
from cnnbench.tasks.detection.outputs import LEAST_SCORE
from tests.data import annotated
from tests.probes import small_locators, trainings
from tests.probes.small_detectors import NAME, SCENES, setting
from tests.tasks.test_suppression import plain


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("detectors")  # one for all: a module is imported once


def train(folder: Path, scratch: Path, name: str = NAME, **wording: Any) -> ProbeResult:
    model = small_locators.resolve(name, folder)
    return trainings.train(model, setting(**wording), folder, scratch)


@pytest.fixture(scope="module")
def trained(folder: Path) -> ProbeResult:
    return train(
        folder,
        folder / "trained",
        epochs=6,
        train_examples=512,
        validation=0.01,
        keep_weights=True,
        target_box_map=0.001,
    )


@pytest.mark.slow
def test_objects_are_learnt_and_the_validation_images_are_watched(trained: ProbeResult) -> None:
    assert trained.metrics["box_map50"] > 2 * trained.details["chances"]["box_map50"]
    assert trained.metrics["box_map"] <= trained.metrics["box_map50"]
    first, *_, last = trained.details["curve"]
    assert last["loss"] < first["loss"]
    for point in trained.details["curve"]:
        assert {"loss", "val_loss", "val_box_map"} <= point.keys()
        assert "box_map" not in point, "it is no mean over training batches"
    assert 0 < trained.metrics["time_to_target_s"] <= trained.metrics["train_s"]


@pytest.mark.slow
def test_objects_that_the_grid_cannot_hold_are_counted(trained: ProbeResult) -> None:
    (note,) = trained.details["notes"]
    assert "test objects" in note
    assert "cannot be represented by a grid of 4 x 4 cells" in note


def test_suppression_of_real_boxes_is_the_plain_one(trained: ProbeResult, folder: Path) -> None:
    data = loading.load(Request(SCENES, 32, 1, train_examples=2, test_examples=8, fit="stretch"))
    model = registry.resolve("seed-0.keras", (folder / "trained",))
    network = model.build()
    outputs = network.predict(model.preprocess(data.test.images.astype(np.float32)), verbose=0)
    objective = setting(max_detections=30).objective(data.classes)
    suppression = DetectionOptions(max_detections=30).suppression
    encoding = objective.encoding(network)
    found = objective.answers(outputs, encoding)
    decoded = map(np.asarray, stated.coder(encoding).decoded(outputs))
    for image, (boxes, scores) in enumerate(zip(*decoded, strict=True)):
        expected = plain(boxes, scores, suppression)
        assert len(expected) > 5
        for place, (box, label) in enumerate(expected):
            assert found["labels"][image, place] == label
            assert found["scores"][image, place] == scores[box, label]
            np.testing.assert_array_equal(found["boxes"][image, place], boxes[box])


def test_what_is_kept_is_a_detector_with_its_coding(trained: ProbeResult, folder: Path) -> None:
    kept = registry.resolve("seed-0.keras", (folder / "trained",))
    assert kept.task == "detection"
    assert len(kept.entry.class_names) == 10
    objective = setting().objective(kept.entry.class_names)
    network = kept.build()
    objective.check_network(network)
    assert '"kind":"grid"' in objective.encoding(network)


def test_objects_of_a_picture_are_predicted_and_drawn(
    trained: ProbeResult, folder: Path, tmp_path: Path
) -> None:
    data = loading.load(Request(SCENES, 64, 1, train_examples=2, test_examples=3))
    Image.fromarray(data.test.images[0, ..., 0]).save(tmp_path / "scene.png")
    few = predict(
        str(folder / "trained" / "seed-0.keras"),
        [tmp_path / "scene.png"],
        top=2,
        draw=tmp_path / "drawn.png",
    )
    (found,) = few.to_json()
    assert few.predicted == "objects"
    assert len(found["objects"]) <= 2
    for one in found["objects"]:
        assert one["score"] >= LEAST_SCORE
        assert not one["name"].startswith("class "), "names are kept with the weights"
        assert 0 <= min(one["box_px"]) <= max(one["box_px"]) <= 64
    with Image.open(tmp_path / "drawn.png") as drawn:
        assert drawn.size[0] >= 64
    assert str(tmp_path / "scene.png") in str(few)


def test_without_a_use_for_it_average_precision_is_not_computed(
    folder: Path, tmp_path: Path
) -> None:
    found = train(folder, tmp_path, epochs=1, train_examples=32, validation=0.01)
    (point,) = found.details["curve"]
    assert "val_loss" in point
    assert "val_box_map" not in point


@pytest.mark.slow
def test_a_killed_training_goes_on_from_its_last_epoch(folder: Path, tmp_path: Path) -> None:
    moving = {"flip": "horizontal", "translation": 0.1, "zoom": 0.1, "crop": 0.1}
    whole_run = train(folder, tmp_path / "whole", augment=moving)
    trainings.killed_in_the_third_epoch(lambda: train(folder, tmp_path / "killed", augment=moving))
    resumed = train(folder, tmp_path / "killed", augment=moving)
    assert resumed.metrics["box_map"] == pytest.approx(whole_run.metrics["box_map"], abs=1e-6)
    losses = [[point["loss"] for point in one.details["curve"]] for one in (resumed, whole_run)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_early_stopping_keeps_the_epoch_with_the_best_average_precision(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = iter([0.1, 0.3, 0.2, 0.25, 0.9])
    kept: list[list[np.ndarray]] = []
    plain = Training._epoch

    def epoch(self: Training, model: Any, *args: Any) -> dict[str, Any]:
        point = plain(self, model, *args)
        kept.append(model.get_weights())
        return point

    monkeypatch.setattr(DetectionObjective, "watched_value", lambda *_: next(given))
    monkeypatch.setattr(Training, "_epoch", epoch)
    wording = {"early_stop": 2, "validation": 0.01, "epochs": 5, "keep_weights": True}
    found = train(folder, tmp_path, train_examples=32, **wording)
    assert [point["val_box_map"] for point in found.details["curve"]] == [0.1, 0.3, 0.2, 0.25]
    network = registry.resolve("seed-0.keras", (tmp_path,)).build()
    for ours, best in zip(network.get_weights(), kept[1], strict=True):
        np.testing.assert_array_equal(ours, best)


def test_of_epochs_without_any_precision_the_loss_tells_the_best(tmp_path: Path) -> None:
    chosen = setting(early_stop=2, validation=0.1)
    state = Checkpoint(tmp_path / "state.npz", "t")
    training = Training(chosen, chosen.objective(()), 0, state, lambda text: None)

    def best(*pairs: tuple[float, float]) -> int:
        return training._best([{"val_box_map": ap, "val_loss": loss} for ap, loss in pairs])

    assert best((0.0, 5.0), (0.0, 4.0), (0.0, 3.0), (0.0, 3.5)) == 2
    assert best((0.0, 3.0), (0.1, 5.0), (0.1, 4.0), (0.05, 1.0)) == 2
    assert best((0.2, 3.0), (0.2, 3.0)) == 0, "the first of equal ones"


def test_a_diverged_training_is_a_failure_in_words(folder: Path, tmp_path: Path) -> None:
    wild = {"optimizer": "sgd", "learning_rate": 100.0, "clip_norm": None, "warmup": 0.0}
    with pytest.raises(JobFailed, match=r"diverged at epoch \d: the loss is (nan|inf)"):
        train(folder, tmp_path, coordinates_weight=1e6, **wild)


def test_options_are_part_of_the_setting() -> None:
    strict = setting(nms_iou=0.3, score_threshold=0.05, max_detections=20, no_object_weight=1.0)
    for part in ("nms_iou=0.3", "score_threshold=0.05", "max_detections=20"):
        assert part in strict.label().split("/")
    written = strict.model_dump(mode="json")
    assert written["no_object_weight"] == 1.0
    assert "coordinates_weight" not in written, "defaults are not part of a key"


def test_another_number_of_classes_is_refused_before_anything_is_read() -> None:
    from cnnbench.probes.accuracy.settings import AccuracySpec

    model = registry.resolve("BasicCNN+yolo[classes=3]")
    spec = AccuracySpec.model_validate({"dataset": SCENES})
    with pytest.raises(UserError, match="has a head for 3 classes, but the data set has 10"):
        list(spec.settings(model))


def test_a_kept_file_is_trained_again_on_as_many_classes(
    trained: ProbeResult, folder: Path, tmp_path: Path
) -> None:
    model = registry.resolve("seed-0.keras", (folder / "trained",))
    context = Context(0, tmp_path, tmp_path, cache=folder / "cache")
    again = accuracy.run(model, setting(epochs=1, train_examples=32), context)
    assert again.metrics["box_map"] >= 0
    refusal = DETECTION.refusal(model, 3)
    assert refusal == "has a head for 10 classes, but the data set has 3"


def test_a_network_that_states_no_coding_is_refused_in_one_line(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "grids.py").write_text(
        "import tensorflow as tf\n"
        "def grid(input_shape=(32, 32, 1), classes=10):\n"
        "    images = tf.keras.Input(input_shape)\n"
        "    return tf.keras.Model(images, tf.keras.layers.Conv2D(20, 8, 8)(images))\n"
    )
    model = registry.resolve("grids.py:grid", (folder,))
    context = Context(0, tmp_path, tmp_path, cache=folder / "cache")
    with pytest.raises(JobFailed, match="it can be evaluated but not trained"):
        accuracy.run(model, setting(), context)


def test_a_users_pictures_are_trained_on_and_a_kept_file_is_evaluated_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = [*annotated.examples(20), annotated.Example("empty.png", (70, 90), [])]
    annotated.write_coco(tmp_path / "pets", pictures)
    of_pets = {"dataset": "folder:pets", "fit": "letterbox", "test_examples": None}
    context = Context(0, tmp_path, tmp_path, search_path=(tmp_path,))
    model = small_locators.resolve(NAME, tmp_path)
    chosen = setting(**of_pets, train_examples=None, batch_size=8, epochs=2, keep_weights=True)
    whole = accuracy.run(model, chosen, context)
    assert whole.details["classes"] == ["cat", "dog"]
    # Batches with other numbers of objects.
    monkeypatch.setattr(pipeline, "_EVALUATION_PIXELS", 3 * 32 * 32)
    evaluation = AccuracySetting.model_validate(
        {"dataset": "folder:pets", "task": "detection", "recipe": "pretrained"}
        | {"weights": "imagenet", "image_size": 32, "fit": "letterbox"}
    )
    kept = registry.resolve("seed-0.keras", (tmp_path,))
    found = accuracy.run(kept, evaluation, context)
    assert 0 <= found.metrics["box_map"] <= 1
    assert found.details["n_test"] >= whole.details["n_test"]


@pytest.mark.parametrize(
    "head",
    [
        "yolo[grid=4,width=16,depth=0]",
        pytest.param("windows[finest=4,width=16]", marks=pytest.mark.slow),
    ],
)
def test_transfer_trains_the_head_and_then_the_backbone(
    head: str, folder: Path, tmp_path: Path
) -> None:
    model = small_locators.resolve(f"trunk+{head}", folder)
    weights = small_locators.backbone_weights(model, tmp_path)
    data = loading.load(
        Request(SCENES, 32, 1, train_examples=64, test_examples=10, fit="stretch"),
    )
    before = model.build(include_top=False, weights=weights)
    for epochs, is_tuned in ((0, False), (1, True)):
        chosen = setting(
            recipe="transfer", weights="small.weights.h5", epochs=1, fine_tune_epochs=epochs
        )
        job = recipes.TrainingJob(model, chosen, data, 5, weights)
        state = Checkpoint(tmp_path / f"{epochs}.npz", "t")
        training = Training(chosen, job.objective, 5, state, lambda text: None)
        whole = recipes.from_pretrained(job, training)
        assert training.images == 64, "maps are not pooled, so nothing is computed once"
        is_same = all(
            np.array_equal(ours, theirs)
            for layer in before.layers
            if layer.weights
            for ours, theirs in zip(
                layer.get_weights(), whole.get_layer(layer.name).get_weights(), strict=True
            )
        )
        assert is_same is not is_tuned
        assert any(layer.name.startswith(PREFIX) for layer in whole.layers)


def test_answers_of_batches_are_those_of_all_images(folder: Path) -> None:
    """Answers are kept batch by batch, so that raw outputs are never in memory together."""
    model = small_locators.resolve(NAME, folder)
    network = model.build(classes=10)
    objective = setting().objective(tuple("abcdefghij"))
    assert isinstance(objective, DetectionObjective)
    images = np.random.default_rng(0).random((12, 32, 32, 1)).astype(np.float32)
    outputs = network.predict(images, verbose=0)
    encoding = objective.encoding(network)
    whole = objective.answers(outputs, encoding)
    parts = [objective.answers(outputs[start : start + 5], encoding) for start in (0, 5, 10)]
    for name, values in whole.items():
        np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), values)
    assert whole["boxes"].shape == (12, 100, 4)
    assert whole["labels"].dtype == np.int64
    outputs[0, 0, 0, 0] = np.nan
    with pytest.raises(JobFailed, match="its outputs are not finite"):
        objective.answers(outputs, encoding)
