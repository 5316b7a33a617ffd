"""Other contents of a ``.keras`` file, and reasons why a file cannot be read."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnbench.analysis import inspect
from cnnbench.errors import UserError
from cnnbench.models import registry
from tests.models import keras_zip
from tests.models.built import weightless

COMPILED = """
import sys

import keras
import numpy as np

L = keras.layers


class TrainingConfig(keras.optimizers.schedules.LearningRateSchedule):
    def __call__(self, step):
        return 0.1

    def get_config(self):
        return {}


class Optimiser(keras.optimizers.Adam):
    pass


def net():
    inputs = keras.Input((8, 8, 1))
    x = L.GlobalAveragePooling2D()(L.Conv2D(4, 3)(inputs))
    return keras.Model(inputs, L.Dense(3, activation="softmax")(x))


def loss(wanted, given):
    return keras.ops.mean((wanted - given) ** 2)


inner = net()
inner.compile("sgd", loss=lambda wanted, given: keras.ops.mean(given))
inputs = keras.Input((8, 8, 1))
for name, model in (("own", net()), ("nested", keras.Model(inputs, inner(inputs)))):
    model.compile(Optimiser(TrainingConfig()), loss, metrics=["accuracy"], loss_weights=[2.0])
    model.fit(np.ones((4, 8, 8, 1)), np.eye(3)[[0, 1, 2, 0]], verbose=0)
    model.save(f"{sys.argv[1]}/{name}.keras")
    np.save(f"{sys.argv[1]}/{name}.npy", model(np.ones((1, 8, 8, 1), np.float32)))
"""
KERAS_2 = """
import os
import sys

os.environ["TF_USE_LEGACY_KERAS"] = "1"
import tensorflow as tf

L = tf.keras.layers
inputs = tf.keras.Input((8, 8, 1))
x = L.GlobalAveragePooling2D()(L.Conv2D(4, 3)(inputs))
tf.keras.Model(inputs, L.Dense(3)(x)).save(f"{sys.argv[1]}/old.keras")
layers = [L.Input((8, 8, 1)), L.Flatten(), L.Dense(3, activation="hard_sigmoid")]
tf.keras.Sequential(layers).save(f"{sys.argv[1]}/hard.keras")
"""


def _made_by(program: str, folder: Path) -> None:
    (folder / "made.py").write_text(program)
    command = [sys.executable, str(folder / "made.py"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


def _refusal(name: str, folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        registry.resolve(name, [folder]).build()
    return str(caught.value).replace(f"{folder}/", "")


def test_ignores_the_compile_configuration(tmp_path: Path) -> None:
    _made_by(COMPILED, tmp_path)
    for name in ("own", "nested"):
        model = registry.resolve(f"{name}.keras", [tmp_path])
        with weightless(model) as network:
            assert inspect(network).metrics["params"] == 9 * 4 + 4 + 4 * 3 + 3
        answer = model.build()(np.ones((1, 8, 8, 1), np.float32))
        np.testing.assert_allclose(answer, np.load(tmp_path / f"{name}.npy"), atol=1e-6)


def test_rejects_a_lambda_outside_the_compile_configuration(tmp_path: Path) -> None:
    """Removed parts are not loaded; a Lambda anywhere else is still refused."""
    network: dict[str, Any] = copy.deepcopy(keras_zip.NETWORK)
    lambda_ = {"class_name": "__lambda__", "config": {"value": "x"}}
    network["compile_config"] = {"loss": lambda_}
    keras_zip.write(tmp_path / "net.keras", network)
    assert registry.resolve("net.keras", [tmp_path]).classes == 4
    for place in ("config", "build_config"):
        hidden = copy.deepcopy(network)
        hidden.setdefault(place, {})["compile_config"] = {"loss": lambda_}
        keras_zip.write(tmp_path / "net.keras", hidden)
        with pytest.raises(UserError, match="contains a Lambda layer, whose Python code"):
            registry.resolve("net.keras", [tmp_path])


def test_rejects_a_file_of_keras_2_with_a_hint(tmp_path: Path) -> None:
    _made_by(KERAS_2, tmp_path)
    said = _refusal("old.keras", tmp_path)
    assert said.startswith("old.keras: saved by Keras 2 (2.")
    assert "(in Keras 2 write model.save_weights('net.h5'); build the same network" in said
    assert "whose hard_sigmoid differs from Keras 3's" in _refusal("hard.keras", tmp_path)


def test_rejects_a_file_of_a_newer_keras_that_cannot_be_loaded(tmp_path: Path) -> None:
    keras_zip.write(tmp_path / "net.keras", version="99.1.0")
    assert "saved by Keras 99.1.0, which is newer than the installed 3." in _refusal(
        "net.keras", tmp_path
    )


@pytest.mark.parametrize("version", [None, 3, "three", "", "9" * 5000, [], {}])
def test_ignores_an_invalid_keras_version(version: object, tmp_path: Path) -> None:
    keras_zip.write(tmp_path / "net.keras", version=version)
    assert registry.resolve("net.keras", [tmp_path]).classes == 4
    _refusal("net.keras", tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x89HDF\r\n\x1a\n" + bytes(64), "it is HDF5: a network in the old .h5 format"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        (b"PK\x03\x04" + bytes(500), "the archive is truncated (copy or download it again)"),
        (b"<html>", "File is not a zip file (save it with model.save())"),
    ],
)
def test_recognises_other_formats_by_their_first_bytes(
    content: bytes, words: str, tmp_path: Path
) -> None:
    (tmp_path / "net.keras").write_bytes(content)
    said = _refusal("net.keras", tmp_path)
    assert said.startswith("net.keras: not a .keras file: ")
    assert words in said


def test_rejects_a_folder(tmp_path: Path) -> None:
    (tmp_path / "net.keras").mkdir()
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "saved_model.pb").touch()
    assert "'net.keras' is a folder, not a file" in _refusal("net.keras", tmp_path)
    assert "unknown model 'net' (a SavedModel is a graph without" in _refusal("net", tmp_path)
