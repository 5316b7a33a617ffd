"""``cnnbench export``: the file, its card, and invalid options."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from cnnbench.cli import group
from cnnbench.errors import UserError

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


def test_an_unknown_variant_suggests_the_nearest(weights: str) -> None:
    words = _refused("BasicCNN", "--variant", "ptq-int9", "--weights", weights, "--out", "m.tflite")
    assert words == "--variant: unknown variant 'ptq-int9' (did you mean 'ptq-int8'?)"


def test_rejects_an_impossible_sparsity(weights: str) -> None:
    words = _refused("BasicCNN", "--variant", "pruned-120", "--weights", weights, "--out", "m")
    assert "more than 0 and less than 100" in words


def test_rejects_a_missing_weights_file_and_a_missing_output_folder(
    weights: str, tmp_path: Path
) -> None:
    absent = str(tmp_path / "no.weights.h5")
    words = _refused("BasicCNN", "--variant", "float32", "--weights", absent, "--out", "m.tflite")
    assert words.startswith(f"{absent}: no such file")
    out = str(tmp_path / "nowhere" / "m.tflite")
    words = _refused("BasicCNN", "--variant", "float32", "--weights", weights, "--out", out)
    assert "no such folder" in words


@pytest.mark.parametrize("variant", ["ptq-int8", "qat-int8", "pruned-50", "clustered-16"])
def test_a_variant_that_needs_images_requires_a_data_set(variant: str, weights: str) -> None:
    words = _refused("BasicCNN", "--variant", variant, "--weights", weights, "--out", "m.tflite")
    assert words.startswith(f"--dataset: {variant} needs images")


def test_rejects_an_unknown_data_set_and_a_too_small_image_size(weights: str) -> None:
    common = ("--variant", "ptq-int8", "--weights", weights, "--out", "m.tflite")
    assert "did you mean 'digits'" in _refused("BasicCNN", *common, "--dataset", "digts")
    words = _refused("MobileNetV2", *common, "--dataset", "digits", "--image-size", "8")
    assert "takes at least 32 px" in words


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--fine-tune-rate", "nan", "finite number"),
        ("--fine-tune-rate", "-1", "greater than 0"),
        ("--fine-tune-epochs", "0", "greater than or equal to 1"),
        ("--representative", "9", "too few (at least 10)"),
    ],
)
def test_an_option_has_the_limits_of_the_key_in_suites(
    option: str, value: str, words: str, weights: str
) -> None:
    common = ("--variant", "ptq-dynamic", "--weights", weights, "--out", "m.tflite")
    refused = _refused("BasicCNN", *common, option, value)
    assert refused.startswith(f"{option}: {value}")
    assert words in refused


def test_does_not_overwrite_files_that_are_not_exports(weights: str, tmp_path: Path) -> None:
    common = ("BasicCNN", "--variant", "float32", "--weights", weights)
    words = _refused(*common, "--out", weights)
    assert words.startswith(f"{weights}: exists and is not a LiteRT file")
    card = tmp_path / "network.json"
    card.write_text('{"model": "BasicCNN", "weights_sha256": "0"}')
    words = _refused(*common, "--out", str(tmp_path / "network.tflite"))
    assert words.startswith(f"{card}: exists and is not a card of an export")
    assert sorted(tmp_path.iterdir()) == [card, Path(weights)]


def test_rejects_an_image_size_that_contradicts_the_models_name(weights: str) -> None:
    common = ("--variant", "ptq-int8", "--weights", weights, "--out", "m.tflite")
    model = "MobileNetV2[alpha=0.35,input_shape=96x96x3]"
    words = _refused(model, *common, "--dataset", "digits", "--image-size", "224")
    assert words == f"--image-size: {model} keeps its own input, 96x96x3 (omit it)"


@pytest.mark.slow
def test_export_writes_the_file_and_its_card(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(_NET)
    saved = """
import tensorflow as tf, net
tf.keras.utils.set_random_seed(0)
small = net.small()
small.save_weights("w.weights.h5")
small.set_weights([weight * float("nan") for weight in small.get_weights()])
small.save_weights("nan.weights.h5")
net.small(classes=7).save_weights("seven.weights.h5")
"""
    subprocess.run([sys.executable, "-c", saved], cwd=tmp_path, check=True, capture_output=True)

    def export(*arguments: str, weights: str = "w.weights.h5") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "cnnbench", "export", "net:small", *arguments]
        return subprocess.run(
            [*command, "--weights", weights], cwd=tmp_path, capture_output=True, text=True
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
    known = {"dataset": "digits", "recipe": "scratch", "image_size": 8, "dataset_sha256": ""}
    assert card["from"]["training"] == known, "nothing else is known of weights in a file"
    assert card["made"]["representative_images"] == 100
    assert card["metrics"]["sparsity"] >= 0.49
    assert card["metrics"]["coverage_macs"] == 1.0
    assert 0 <= card["metrics"]["top1"] <= 1

    done = export(
        "--variant", "ptq-int8", "--dataset", "digits", "--representative", "3", "--out", "x.tflite"
    )
    assert done.returncode == 2
    assert done.stderr == "cnnbench: --representative: 3 is too few (at least 10)\n"
    assert not list(tmp_path.glob("x.tflite*"))

    done = export("--variant", "ptq-float16", "--out", "x.tflite", weights="nan.weights.h5")
    assert done.returncode == 1
    assert "its outputs are not finite" in done.stderr
    assert not (tmp_path / "x.tflite").exists()

    done = export("--variant", "float32", "--out", "x.tflite", weights="seven.weights.h5")
    assert done.returncode == 2
    assert "seven.weights.h5 do not fit net:small" in done.stderr
