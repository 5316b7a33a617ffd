from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from cnnbench.environment import keras_backend
from cnnbench.errors import UserError

SUITE = """\
name: one
models: [LeNet5]
probes:
  static: {}
"""
LIVE = """\
import sys, types
# As `import keras` would leave it under KERAS_BACKEND=jax, on a machine that has JAX.
config = types.SimpleNamespace(backend=lambda: "jax")
sys.modules["keras"] = types.SimpleNamespace(config=config)
import cnnbench
from cnnbench.errors import UserError
try:
    cnnbench.inspect(object())
except UserError as error:
    print(error)
print("tensorflow" in sys.modules)
"""
KERAS_2 = """\
import tensorflow as tf
import cnnbench
layers = tf.keras.layers
model = tf.keras.Sequential([tf.keras.Input((8, 8, 3)), layers.Conv2D(4, 3)])
print(cnnbench.inspect(model).metrics["macs"])
"""
BUDGET = """\
def test_budget(cnn_budget):
    cnn_budget("LeNet5", params="1M")
"""


def environ(home: Path, **variables: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    return inherited | {"KERAS_HOME": str(home), "TF_CPP_MIN_LOG_LEVEL": "3"} | variables


def process(cwd: Path, variables: Mapping[str, str], *words: str) -> subprocess.CompletedProcess:
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=cwd, env=dict(variables), capture_output=True, text=True)


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    from PIL import Image

    (tmp_path / "suite.yaml").write_text(SUITE)
    (tmp_path / "lenet.weights.h5").touch()
    Image.new("L", (32, 32)).save(tmp_path / "black.png")
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        ["inspect", "LeNet5"],
        ["inspect", "--layer", "Conv2D(4,3)", "--input-shape", "8x8x3"],
        ["run", "suite.yaml", "--out", "results"],
        ["predict", "LeNet5", "black.png", "--weights", "lenet.weights.h5"],
        [
            *("export", "LeNet5", "--variant", "ptq-float16"),
            *("--weights", "lenet.weights.h5", "--out", "lenet.tflite"),
        ],
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_a_command_refuses_another_backend_in_one_line(inputs: Path, command: list[str]) -> None:
    found = process(inputs, environ(inputs, KERAS_BACKEND="jax"), "-m", "cnnbench", *command)
    assert found.returncode == 2
    assert found.stdout == ""
    assert found.stderr.splitlines() == [
        "cnnbench: KERAS_BACKEND: 'jax' is not supported (networks are built and counted "
        "with Keras on TensorFlow: set KERAS_BACKEND=tensorflow)"
    ]
    assert not (inputs / "results").exists()


def test_a_command_refuses_the_backend_of_keras_json(inputs: Path) -> None:
    file = inputs / "keras.json"
    file.write_text(json.dumps({"backend": "torch"}))
    found = process(inputs, environ(inputs), "-m", "cnnbench", "inspect", "LeNet5")
    assert found.returncode == 2
    assert found.stderr.startswith(f"cnnbench: {file}: backend: 'torch' is not supported (")
    assert found.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["models", "inspect --help"])
def test_what_needs_no_keras_runs_with_any_backend(tmp_path: Path, command: str) -> None:
    variables = environ(tmp_path, KERAS_BACKEND="jax")
    assert process(tmp_path, variables, "-m", "cnnbench", *command.split()).returncode == 0


def test_a_budget_fails_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "test_one.py").write_text(BUDGET)
    variables = environ(tmp_path, KERAS_BACKEND="jax")
    found = process(tmp_path, variables, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert found.returncode == 1
    assert "\ncnn_budget: KERAS_BACKEND: 'jax' is not supported (" in found.stdout
    assert "Traceback" not in found.stdout


def test_a_model_of_another_backend_is_refused_before_tensorflow_is_loaded(tmp_path: Path) -> None:
    found = process(tmp_path, environ(tmp_path), "-c", LIVE)
    refused, loaded = found.stdout.splitlines()
    assert refused.startswith("Keras runs on 'jax' in this process (")
    assert loaded == "False"


@pytest.mark.slow
def test_keras_2_takes_no_notice_of_the_backend_of_keras_3(tmp_path: Path) -> None:
    variables = environ(tmp_path, KERAS_BACKEND="jax", TF_USE_LEGACY_KERAS="1")
    assert process(tmp_path, variables, "-c", KERAS_2).stdout == f"{6 * 6 * 4 * 27}\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    return tmp_path


def test_workers_read_keras_json_of_the_data_folder(home: Path) -> None:
    (home / "keras.json").write_text(json.dumps({"backend": "jax"}))
    with pytest.raises(UserError, match="'jax'"):
        keras_backend.check_workers(None)
    keras_backend.check_workers(home / "data")


def test_the_variable_overrides_keras_json(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "keras.json").write_text(json.dumps({"backend": "jax"}))
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    keras_backend.check_workers(None)
    monkeypatch.setenv("KERAS_BACKEND", "")
    with pytest.raises(UserError, match="'jax'"):
        keras_backend.check_workers(None)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"floatx": "float8"}', "floatx: 'float8' is not one of float16, float32, float64"),
        ('{"image_data_format": "NCHW"}', "image_data_format: 'NCHW' is not one of channels_last"),
        ('{"epsilon": 1}', "epsilon: 1 is not a float"),
        ("[]", "is not a JSON object"),
    ],
)
def test_settings_that_keras_refuses_are_named(home: Path, content: str, words: str) -> None:
    (home / "keras.json").write_text(content)
    with pytest.raises(UserError, match=words) as refused:
        keras_backend.check_workers(None)
    assert str(home / "keras.json") in str(refused.value)


@pytest.mark.slow
def test_what_only_keras_on_jax_reads_is_said_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "keras.json"
    file.write_text(json.dumps({"nnx_enabled": True}))
    (tmp_path / "test_one.py").write_text(BUDGET)
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider"]
    found = process(tmp_path, environ(tmp_path), *words)
    assert found.returncode == 1
    assert f"cnn_budget: {file}: nnx_enabled: requires JAX and flax" in found.stdout
    assert "Traceback" not in found.stdout
    assert process(tmp_path, environ(tmp_path, KERAS_NNX_ENABLED="0"), *words).returncode == 0


@pytest.mark.slow
def test_processes_of_its_own_do_without_what_only_keras_on_jax_reads(inputs: Path) -> None:
    (inputs / "keras.json").write_text(json.dumps({"nnx_enabled": True}))
    for command in (["inspect", "LeNet5"], ["run", "suite.yaml", "--out", "results"]):
        found = process(inputs, environ(inputs), "-m", "cnnbench", *command)
        assert (found.returncode, "flax" in found.stderr) == (0, False), found.stderr


@pytest.mark.parametrize("content", ["", "{", '{"backend": "tensorflow"}'])
def test_what_keras_reads_as_its_defaults_passes(home: Path, content: str) -> None:
    (home / "keras.json").write_text(content)
    keras_backend.check_workers(None)
