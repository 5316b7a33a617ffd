"""``cnnbench export``: the artefact and its card, and every way to ask for it wrongly."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from cnnbench.cli import group
from cnnbench.core.errors import UserError

_NET = """
import tensorflow as tf


def preprocess_input(images):
    return images / 255.0


def small(input_shape=(8, 8, 1), classes=10):
    layers = tf.keras.layers
    inputs = tf.keras.Input(input_shape)
    x = layers.Conv2D(16, 3, padding="same", activation="relu")(inputs)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(32, 3, activation="relu")(x))
    return tf.keras.Model(inputs, layers.Dense(classes, activation="softmax")(x))
"""


def _refused(*arguments: str) -> str:
    result = CliRunner().invoke(group, ["export", *arguments])
    assert isinstance(result.exception, UserError), result.output
    return result.exception.one_line()


@pytest.fixture
def weights(tmp_path: Path) -> str:
    file = tmp_path / "some.weights.h5"
    file.write_bytes(b"never read by these tests")
    return str(file)


def test_an_unknown_variant_names_the_nearest(weights: str) -> None:
    words = _refused("BasicCNN", "--variant", "ptq-int9", "--weights", weights, "--out", "m.tflite")
    assert words == "--variant: unknown variant 'ptq-int9' (did you mean 'ptq-int8'?)"


def test_an_impossible_sparsity(weights: str) -> None:
    words = _refused("BasicCNN", "--variant", "pruned-120", "--weights", weights, "--out", "m")
    assert "more than 0 and less than 100" in words


def test_no_weights_file_and_no_folder(weights: str, tmp_path: Path) -> None:
    absent = str(tmp_path / "no.weights.h5")
    words = _refused("BasicCNN", "--variant", "float32", "--weights", absent, "--out", "m.tflite")
    assert words.startswith(f"{absent}: no such file")
    out = str(tmp_path / "nowhere" / "m.tflite")
    words = _refused("BasicCNN", "--variant", "float32", "--weights", weights, "--out", out)
    assert "no such folder" in words


@pytest.mark.parametrize("variant", ["ptq-int8", "qat-int8", "pruned-50", "clustered-16"])
def test_what_must_see_images_asks_for_the_data_set(variant: str, weights: str) -> None:
    words = _refused("BasicCNN", "--variant", variant, "--weights", weights, "--out", "m.tflite")
    assert words.startswith(f"--dataset: {variant} must see images")


def test_an_unknown_data_set_and_a_size_that_is_too_small(weights: str) -> None:
    common = ("--variant", "ptq-int8", "--weights", weights, "--out", "m.tflite")
    assert "did you mean 'digits'" in _refused("BasicCNN", *common, "--dataset", "digts")
    words = _refused("MobileNetV2", *common, "--dataset", "digits", "--image-size", "8")
    assert "takes 32 px at least" in words


@pytest.mark.slow
def test_the_artefact_and_its_card(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(_NET)
    saved = (
        "import tensorflow as tf, net; tf.keras.utils.set_random_seed(0); "
        "net.small().save_weights('w.weights.h5')"
    )
    subprocess.run([sys.executable, "-c", saved], cwd=tmp_path, check=True, capture_output=True)

    def export(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "cnnbench", "export", "net:small", *arguments]
        return subprocess.run(
            [*command, "--weights", "w.weights.h5"], cwd=tmp_path, capture_output=True, text=True
        )

    done = export("--variant", "ptq-dynamic", "--out", "dynamic.tflite")
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "no log and no converter's chatter"
    content = (tmp_path / "dynamic.tflite").read_bytes()
    card = json.loads((tmp_path / "dynamic.json").read_text())
    assert card["sha256"] == hashlib.sha256(content).hexdigest()
    assert card["bytes"] == len(content)
    weights = hashlib.sha256((tmp_path / "w.weights.h5").read_bytes()).hexdigest()
    assert card["from"]["weights_file_sha256"] == weights
    assert card["from"]["weights"] == "from w.weights.h5"

    options = ("--variant", "pruned-50+ptq-int8", "--dataset", "digits", "--fine-tune-epochs", "1")
    done = export(*options, "--out", "sparse.tflite", "--json")
    assert done.returncode == 0, done.stderr
    card = json.loads(done.stdout)
    assert card["variant"] == "pruned-50+ptq-int8"
    assert card["made"]["representative_images"] == 100
    assert card["metrics"]["sparsity"] >= 0.49
    assert card["metrics"]["coverage_macs"] == 1.0
    assert 0 <= card["metrics"]["top1"] <= 1

    done = export(
        "--variant", "ptq-int8", "--dataset", "digits", "--representative", "3", "--out", "x.tflite"
    )
    assert done.returncode == 1
    assert "too little representative data: 3 images" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert (tmp_path / "x.tflite.log").is_file()
    assert not (tmp_path / "x.tflite").exists()
