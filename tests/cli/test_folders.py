"""Folders of images, and errors of libraries, through the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from cnnbench.cli import group

NETS = '''
import tensorflow as tf
from tensorflow import keras

layers = keras.layers


class Refused(layers.Layer):
    """As a primitive of oneDNN that cannot be made: in training only."""

    def call(self, x, training=None):
        if training:
            words = "could not create a primitive"
            tf.debugging.assert_less(tf.reduce_max(x), -1.0, message=words)
        return x


def _net(*first):
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)), *first, layers.Conv2D(4, 3, activation="tanh"),
            layers.GlobalAveragePooling2D(), layers.Dense(2, "softmax"),
        ]
    )


def good():
    return _net()


def refused():
    return _net(Refused())
'''
SUITE = """
name: photos
models: [nets.py:good, nets.py:refused]
probes:
  accuracy: {dataset: "folder:photos", image_size: 8, epochs: 1, batch_size: 4, seeds: 1}
"""


def cnnbench(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cnnbench", *arguments],
        cwd=folder, capture_output=True, text=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create images in a folder, behind a link, behind a dangling link, and in an empty folder."""
    place = tmp_path_factory.mktemp("folders")
    (place / "nets.py").write_text(NETS)
    (place / "photos.yaml").write_text(SUITE)
    random = np.random.default_rng(0)
    for where in ("photos/blue", "elsewhere"):
        (place / where).mkdir(parents=True)
        for number in range(8):
            pixels = random.integers(0, 256, (8, 8, 3), np.uint8)
            Image.fromarray(pixels).save(place / where / f"{number}.png")
    (place / "photos" / "red").symlink_to("../elsewhere")
    (place / "photos" / "green").symlink_to("nowhere")
    (place / "photos" / "white").mkdir()
    return place


def test_the_plan_lists_subfolders_that_are_not_classes(place: Path) -> None:
    done = cnnbench(place, "run", "photos.yaml", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "accuracy, photos: green: a dangling link" in done.stdout
    assert "accuracy, photos: white: an empty folder" in done.stdout


@pytest.mark.slow
def test_the_report_lists_unused_files_and_a_library_error_in_one_line(place: Path) -> None:
    done = cnnbench(place, "run", "photos.yaml")
    assert done.returncode == 1
    for words in (
        "class white left out: 0 of the 5 usable pictures needed",
        "green: a dangling link",
    ):
        assert words in done.stdout
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("failed: "))
    what, _, log = line.partition("; log: ")
    assert "InvalidArgumentError: " in what
    assert "could not create a primitive" in what
    assert what.endswith("or TF_ENABLE_ONEDNN_OPTS=0)")
    assert "Graph execution error" not in what
    assert "Graph execution error" in (place / log).read_text()
    records = [json.loads(text) for text in (place / log).parents[1].joinpath(
        "records.jsonl").read_text().splitlines()[1:]]  # fmt: skip
    good, refused = sorted((r for r in records if "model" in r), key=lambda r: r["model"])
    assert (good["details"]["n_test"], good["details"]["n_problems"]) == (3, 2)
    assert refused["details"]["log"] == f"logs/{Path(log).name}"
    chosen = cnnbench(place, "choose", "results/photos", "--maximize", "top1")
    (out,) = (line for line in chosen.stdout.splitlines() if "nets:refused" in line)
    assert out.rpartition("failed: ")[2].endswith(" …")
    assert len(out) < 300


def test_predict_puts_transparent_images_on_white_with_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    import keras

    network = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(1, "sigmoid"),
        ]
    )
    network.set_weights([np.full((3, 1), 10.0), np.array([-15.0])])  # bright: above 0.5
    network.save(tmp_path / "bright.keras")
    Image.new("LA", (8, 8), (0, 20)).save(tmp_path / "ink.png")
    Image.fromarray(np.full((8, 8), 3800, np.uint16)).save(tmp_path / "deep.png")
    Image.fromarray(np.full((8, 8), 380, np.uint16)).save(tmp_path / "dim.png")
    done = predicted("bright.keras", "ink.png", "deep.png", "dim.png", "--json")
    found = [row["classes"][0]["number"] for row in json.loads(done.stdout)]
    assert found == [1, 1, 0]
    assert done.stderr.splitlines() == [
        "cnnbench: 2 of 3 pictures have more than 8 bits: read as 12 bits, since their largest "
        "value is 3800",
        "cnnbench: 1 of 3 pictures have transparent parts: shown on white",
    ]


def predicted(*words: str) -> Result:
    done = CliRunner().invoke(group, ["predict", *words], catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    return done


def test_predict_warns_if_inputs_are_scaled_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scaling_nets.py").write_text(
        """
from tensorflow import keras


def scaling():
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)), layers.Rescaling(1 / 255), layers.GlobalAveragePooling2D(),
            layers.Dense(1, "sigmoid"),
        ]
    )
"""
    )
    import keras

    network = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(1, "sigmoid"),
        ]
    )
    network.set_weights([np.full((3, 1), 10.0), np.array([-15.0])])
    network.save_weights(tmp_path / "net.weights.h5")
    Image.new("RGB", (8, 8), (250, 250, 250)).save(tmp_path / "bright.png")
    model = "scaling_nets.py:scaling[input_shape=8x8x3]"
    with_weights = (model, "bright.png", "--json", "--weights", "net.weights.h5")
    twice = predicted(*with_weights)
    assert "the inputs are scaled twice" in twice.stderr
    once = predicted(*with_weights, "--preprocessing", "none")
    assert once.stderr == ""
    numbers = [json.loads(done.stdout)[0]["classes"][0]["number"] for done in (twice, once)]
    assert numbers == [0, 1]


@pytest.mark.slow
def test_export_names_the_recipe_that_trained_the_weights(tmp_path: Path) -> None:
    from cnnbench.models import registry
    from cnnbench.probes.accuracy.settings import AccuracySetting
    from cnnbench.probes.accuracy.training import transfer
    from tests.tasks.objectives import classes

    name = "MobileNetV2[alpha=0.35,input_shape=32x32x3]"
    setting = AccuracySetting(dataset="tf_flowers", recipe="transfer", image_size=32)
    nets = transfer.build(registry.resolve(name), setting, classes(5), None, seed=0)
    nets.whole.save_weights(tmp_path / "flowers.weights.h5")
    weights = ("--weights", "flowers.weights.h5", "--out", "m.tflite")
    done = cnnbench(tmp_path, "export", name, "--variant", "float32", *weights)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert (
        "a network trained with recipe: transfer with 5 classes; pass --recipe transfer"
        in done.stderr
    )
