"""The heads ``slide`` and ``crops``: a classifier at every window of a larger image."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from cnnbench.analysis import inspect
from cnnbench.cli import group
from cnnbench.errors import JobFailed, UserError
from cnnbench.models import registry
from cnnbench.models.fcn.sliding import Grid, border, grid_of
from cnnbench.probes.accuracy import run as accuracy
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.probes.interface import Context
from cnnbench.probes.latency import calibrated_model
from tests.models.built import weightless

NETS = """
from tensorflow import keras

L = keras.layers


def valid(input_shape=(8, 8, 1), classes=3, activation="softmax"):
    inputs = keras.Input(input_shape)
    x = L.MaxPooling2D(2)(L.Conv2D(4, 3, activation="relu")(inputs))
    x = L.Dense(5, "relu")(L.Flatten()(x))
    return keras.Model(inputs, L.Dense(classes, activation, name="classes")(x))


def same(input_shape=(8, 8, 1), classes=3):
    inputs = keras.Input(input_shape)
    x = L.MaxPooling2D(2)(L.Conv2D(4, 3, padding="same", activation="relu", name="padded")(inputs))
    return keras.Model(inputs, L.Dense(classes, "softmax", name="classes")(L.Flatten()(x)))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("sliding")  # one for all: a module is imported once
    (place / "sliding_nets.py").write_text(NETS)
    return place


def both(name: str, parameters: str, folder: Path, file: Path) -> tuple[Any, Any]:
    """The networks of both heads with the same weights of the classifier, from a file."""
    classifier = registry.resolve(name, [folder])
    calibrated_model.build(classifier).save_weights(file)
    models = [registry.resolve(f"{name}+{head}[{parameters}]", [folder]) for head in HEADS]
    slide, crops = (model.build(weights=file) for model in models)
    return slide, crops


HEADS = ("slide", "crops")


def test_windows_of_an_image_by_hand() -> None:
    """28 px every 8 in 112: 0, 8, ..., 80; a window at 88 would end at 116."""
    grid = Grid.on((112, 40, 1), (28, 28), (8, 8))
    assert (grid.places, grid.count, grid.covered) == ((11, 2), 22, (108, 36))
    assert (grid.offset((0, 0)), grid.offset((10, 1))) == ((0, 0), (80, 8))
    assert Grid.on((28, 28), (28, 28), (8, 8)).places == (1, 1)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("BasicCNN+{}[input_shape=112x112x1]", (11, 11)),
        ("BasicCNN+{}[input_shape=112x96x1,crop=28x28]", (11, 9)),
        ("BasicCNN+{}[input_shape=64x64x1,crop=32x40]", (5, 4)),
        ("BasicCNN+{}", (1, 1)),
        ("LeNet5+{}[input_shape=128x128x1,classes=4]", (25, 25)),
        ("MobileNetV2[alpha=0.35]+{}[input_shape=160x160x3,crop=96x96]", (3, 3)),
        ("MobileNetV2[alpha=0.35]+{}[input_shape=448x448x3]", (8, 8)),
    ],
)
def test_both_heads_have_one_grid(head: str, name: str, places: tuple[int, int]) -> None:
    model = registry.resolve(name.format(head))
    with weightless(model) as network:
        assert network.output_shape == (None, *places, model.classes)
        grid = grid_of(network)
    assert grid.places == places
    assert grid.window == model.backbone.input_shape[:2]
    assert model.task == "classification"


def test_a_valid_network_gives_the_classifiers_answers_at_every_window(
    folder: Path, tmp_path: Path
) -> None:
    name = "sliding_nets.py:valid"
    slide, crops = both(name, "input_shape=15x20x1", folder, tmp_path / "w.weights.h5")
    images = np.random.default_rng(0).normal(size=(3, 15, 20, 1)).astype(np.float32)
    found, expected = slide.predict(images, verbose=0), crops.predict(images, verbose=0)
    assert found.shape == expected.shape == (3, 4, 7, 3)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.ptp(expected.reshape(-1, 3), axis=0).max() > 1e-2
    # The place (2, 5) is the window at y = 4, x = 10.
    classifier = registry.resolve(name, [folder]).build(weights=tmp_path / "w.weights.h5")
    window = images[:, 4:12, 10:18]
    np.testing.assert_allclose(classifier(window), expected[:, 2, 5], atol=1e-6)
    assert border(slide).padded == border(slide).pooled == ()


def test_padding_makes_answers_differ_and_is_named(folder: Path, tmp_path: Path) -> None:
    slide, crops = both(
        "sliding_nets.py:same", "input_shape=16x16x1", folder, tmp_path / "w.weights.h5"
    )
    images = np.random.default_rng(0).normal(size=(3, 16, 16, 1)).astype(np.float32)
    assert np.abs(slide.predict(images) - crops.predict(images)).max() > 1e-3
    assert border(slide).padded == ("padded",)


def test_macs_of_both_heads_equal_those_by_hand(folder: Path) -> None:
    """The classifier: 6 x 6 x 9 x 4, 36 x 5 and 5 x 3. A 12 px image has 3 x 3 windows."""
    conv, top = 36 * 9 * 4, 3 * 3 * 4 * 5 + 5 * 3
    found = {}
    for head in HEADS:
        name = f"sliding_nets.py:valid+{head}[input_shape=12x12x1]"
        with weightless(registry.resolve(name, [folder])) as network:
            inspection = inspect(network)
        assert not inspection.uncounted_ops
        found[head] = inspection.metrics
    assert found["crops"]["macs"] == 9 * (conv + top)
    assert found["slide"]["macs"] == 10 * 10 * 9 * 4 + 9 * top
    assert found["slide"]["params"] == found["crops"]["params"] == 40 + 185 + 18
    # 8 px: pixels of a window; the window of a place is the classifier's in both.
    assert found["slide"]["receptive_field_px"] == found["crops"]["receptive_field_px"] == 8
    # The maps of the image, 10 x 10 x 4 and 5 x 5 x 4, against nine windows with theirs.
    assert found["slide"]["activation_infer_peak_bytes"] == 4 * (10 * 10 * 4 + 5 * 5 * 4)
    assert found["crops"]["activation_infer_peak_bytes"] == 4 * 9 * (8 * 8 + 6 * 6 * 4)


def test_basic_cnn_on_crops_costs_its_macs_at_every_window() -> None:
    with weightless(registry.resolve("BasicCNN+crops[input_shape=112x112x1]")) as network:
        assert inspect(network).metrics["macs"] == 121 * 89_466_496


@pytest.mark.parametrize("head", HEADS)
def test_litert_agrees_with_keras(head: str, folder: Path, tmp_path: Path) -> None:
    from cnnbench.probes.latency.runtimes.litert import LiteRT
    from cnnbench.probes.latency.settings import LatencySetting

    model = registry.resolve(f"sliding_nets.py:valid+{head}[input_shape=13x16x1]", [folder])
    network = calibrated_model.build(model)
    runtime = LiteRT(model, LatencySetting(runtime="litert"), tmp_path)
    runtime.prepare(network)
    runtime.load()
    images = calibrated_model.random_inputs(model, 1, seed=7)
    runtime.compile(images)
    (found,) = runtime.call(runtime.feed(images))
    np.testing.assert_allclose(found, network(images), atol=1e-5)


@pytest.mark.parametrize("head", HEADS)
def test_a_network_is_saved_and_loaded_in_safe_mode(
    head: str, folder: Path, tmp_path: Path
) -> None:
    model = registry.resolve(f"sliding_nets.py:valid+{head}[input_shape=13x16x1]", [folder])
    network = model.build()
    network.save(tmp_path / "whole.keras")
    again = registry.resolve("whole.keras", [tmp_path]).build()
    images = np.ones((2, 13, 16, 1), np.float32)
    np.testing.assert_array_equal(again(images), network(images))


def test_a_trained_classifier_in_a_file_slides(folder: Path, tmp_path: Path) -> None:
    registry.resolve("sliding_nets.py:valid", [folder]).build().save(tmp_path / "net.keras")
    model = registry.resolve("net.keras+slide[input_shape=16x16x1]", [tmp_path])
    assert model.is_trained
    with weightless(model) as network:
        assert network.output_shape == (None, 5, 5, 3)


@pytest.mark.parametrize("head", HEADS)
def test_weights_of_the_whole_are_loaded_too(head: str, folder: Path, tmp_path: Path) -> None:
    model = registry.resolve(f"sliding_nets.py:valid+{head}[input_shape=13x16x1]", [folder])
    network = calibrated_model.build(model)
    network.save_weights(tmp_path / "whole.weights.h5")
    images = np.ones((1, 13, 16, 1), np.float32)
    again = model.build(weights=tmp_path / "whole.weights.h5")
    np.testing.assert_array_equal(again(images), network(images))


def refusal(text: str, folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        registry.resolve(text, [folder])
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_cannot_be_is_refused_when_planning(folder: Path) -> None:
    assert refusal("BasicCNN+slide[input_shape=20x64x1]", folder) == (
        "an image of 20x64 is smaller than the window, 28x28 "
        "(set input_shape to at least 28x28x1, or a crop)"
    )
    assert "smaller than the window, 48x48" in refusal("BasicCNN+crops[crop=48x48]", folder)
    assert "write crop=28x28" in refusal("BasicCNN+slide[crop=28]", folder)
    assert "did you mean 'crop'" in refusal("BasicCNN+slide[crops=28x28]", folder)


def test_a_network_that_slides_is_not_trained_as_a_classifier(folder: Path) -> None:
    model = registry.resolve("sliding_nets.py:valid+slide[input_shape=12x12x1]", [folder])
    setting = AccuracySetting(dataset="digits", image_size="own", epochs=1, train_examples=50)
    with pytest.raises(JobFailed, match="train the classifier"):
        accuracy.run(model, setting, Context(0, folder, folder))


def test_predict_prints_the_most_probable_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets_to_predict.py").write_text(NETS)
    classifier = registry.resolve("nets_to_predict.py:valid", [tmp_path])
    calibrated_model.build(classifier).save_weights("net.weights.h5")
    noise = np.random.default_rng(0).integers(0, 255, (12, 16), np.uint8)
    Image.fromarray(noise).save("noise.png")
    name = "nets_to_predict.py:valid+slide[input_shape=12x16x1]"
    arguments = ["predict", name, "noise.png", "--weights", "net.weights.h5", "--top", "2"]
    done = CliRunner().invoke(group, [*arguments, "--json"])
    assert done.exit_code == 0, done.output
    (found,) = json.loads(done.stdout)
    best, second = found["classes"]
    assert best["probability"] >= second["probability"]
    picture = classifier.preprocess(noise[None, :, :, None].astype(np.float32))
    y0, x0, y1, x1 = (round(v * s) for v, s in zip(best["box"], (12, 16, 12, 16), strict=True))
    assert (y1 - y0, x1 - x0) == (8, 8)
    window = np.asarray(picture)[:, y0:y1, x0:x1]
    network = classifier.build(weights=tmp_path / "net.weights.h5")
    probs = np.asarray(network(window))[0]
    assert (best["number"], best["probability"]) == (
        probs.argmax(), pytest.approx(probs.max(), abs=1e-5),
    )  # fmt: skip
    text = CliRunner().invoke(group, arguments).stdout
    assert f"top {y0}, left {x0}, bottom {y1}, right {x1} px" in text


@pytest.mark.parametrize("head", HEADS)
def test_inspect_counts_a_network_by_name(head: str) -> None:
    name = f"LeNet5+{head}[input_shape=40x40x1]"
    done = CliRunner().invoke(group, ["inspect", name, "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["metrics"]["params"] == 61_706
    assert not found["uncounted_ops"]
