"""A ``keras.json`` and the shell's variables against what is counted: the suite decides."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cnnbench.environment import variables

# Under it ResNet18 would read 224 x 224 x 3 as 224 channels of 224 x 3 pixels.
_ODD = {"floatx": "float16", "epsilon": 0.1, "image_data_format": "channels_first"}
_ODD_SHELL = {"TF_USE_LEGACY_KERAS": "1", "KERAS_MAX_EPOCHS": "1", "PYTHONOPTIMIZE": "1"}


@pytest.fixture
def odd(tmp_path: Path) -> dict[str, str]:
    """An environment whose Keras has other settings in every respect."""
    home = tmp_path / "keras_home"
    home.mkdir()
    (home / "keras.json").write_text(json.dumps({**_ODD, "backend": "tensorflow"}))
    return {**os.environ, "KERAS_HOME": str(home)}


def output(environ: dict[str, str], *command: str, cwd: Path | None = None) -> str:
    done = subprocess.run(
        [sys.executable, *command], env=environ, cwd=cwd, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
def test_inspect_ignores_the_users_keras_json(odd: dict[str, str]) -> None:
    command = ("-m", "cnnbench", "inspect", "ResNet18", "--json")
    metrics = json.loads(output(odd | _ODD_SHELL, *command))["metrics"]
    # 1.814 G: the sum over the layers of the paper's Table 1 at 224 px.
    assert (metrics["params"], metrics["macs"]) == (11_699_112, 1_814_073_344)
    assert metrics["weight_bytes"] == 4 * metrics["params"]


_SCOPE = """
import keras, tensorflow as tf
from cnnbench.analysis import standard_keras
k, policy = tf.keras.backend, tf.keras.mixed_precision.global_policy
def now():
    return k.floatx(), k.epsilon(), k.image_data_format(), policy().name
own = ("float16", 0.1, "channels_first")
assert now() == (*own, "float16"), now()
with standard_keras():
    assert now() == ("float32", 1e-7, "channels_last", "float32"), now()
with standard_keras(keep_policy=True):
    assert now()[3] == "float32", "a policy that follows keras.json is not the user's"
tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
with standard_keras():
    assert now()[3] == "float32"
try:
    with standard_keras(keep_policy=True):
        assert now() == ("float32", 1e-7, "channels_last", "mixed_bfloat16"), now()
        raise KeyError
except KeyError:
    pass
assert now() == (*own, "mixed_bfloat16"), now()
print(type(tf.keras.layers.Dense(1)).__module__.split(".")[0])
"""


@pytest.mark.parametrize(
    ("legacy", "keras"),
    [("0", "keras"), pytest.param("1", "tf_keras", marks=pytest.mark.slow)],
)
def test_settings_of_the_users_process_are_restored(
    odd: dict[str, str], legacy: str, keras: str
) -> None:
    assert output(odd | {"TF_USE_LEGACY_KERAS": legacy}, "-c", _SCOPE).strip() == keras


_LIVE = """
import tensorflow as tf, cnnbench
from tensorflow import keras
keras.mixed_precision.set_global_policy("mixed_float16")
model = keras.Sequential([keras.Input((3, 8, 8)), keras.layers.Conv2D(4, 3)])
found = cnnbench.inspect(model)
assert keras.mixed_precision.global_policy().name == "mixed_float16"
assert keras.backend.image_data_format() == "channels_first"
print(found.metrics["macs"], found.metrics["activation_sum_bytes"])
"""


@pytest.mark.slow
def test_a_live_network_keeps_the_settings_it_was_built_with(odd: dict[str, str]) -> None:
    macs, activations = output(odd, "-c", _LIVE).split()
    # 6 x 6 positions of 4 filters of 3 x 3 x 3; 4 x 6 x 6 numbers of two bytes.
    assert (int(macs), int(activations)) == (36 * 4 * 27, 4 * 36 * 2)


@pytest.mark.slow
def test_the_keras_2_process_of_compression_uses_standard_settings(odd: dict[str, str]) -> None:
    body = (
        "from cnnbench.probes.compression.networks import use_keras_2\n"
        "use_keras_2()\n"
        "import tensorflow as tf\n"
        "k = tf.keras.backend\n"
        "print(k.floatx(), k.epsilon(), k.image_data_format(), tf.keras.__name__.split('.')[0])\n"
    )
    assert output(odd, "-c", body).split() == ["float32", "1e-07", "channels_last", "tf_keras"]


_BUILDER = """
import os, sys
import keras, tensorflow as tf

def look():
    assert type(tf.keras.layers.Dense(1)).__module__.startswith("keras."), "Keras 2"
    backend = tf.keras.backend
    found = backend.floatx(), backend.epsilon(), backend.image_data_format()
    if found != ("float32", 1e-7, "channels_last") or not __debug__:
        raise ValueError(f"{found}, debug {__debug__}")
    if keras.config.max_epochs() is not None or sys.flags.hash_randomization:
        raise ValueError("a variable of the shell has an effect")

def tiny():
    look()
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(4, 3)(inputs)
    outputs = keras.layers.Dense(2)(keras.layers.Flatten()(x))
    return keras.Model(inputs, outputs, name="tiny")
"""

_SUITE = """
name: odd
models: ["nets:tiny"]
probes:
  static:
  latency: {runtimes: [graph], min_rounds: 1, max_rounds: 1}
"""


@pytest.mark.slow
def test_workers_use_standard_settings(odd: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(_BUILDER)
    (tmp_path / "odd.yaml").write_text(_SUITE)
    command = ("-m", "cnnbench", "run", "odd.yaml")
    output(odd | _ODD_SHELL, *command, cwd=tmp_path)
    (journal,) = tmp_path.glob("results/odd/*/records.jsonl")
    records = [json.loads(line) for line in journal.read_text().splitlines()[1:]]
    assert {record["status"] for record in records} == {"ok"}
    (static,) = (record for record in records if record["probe"] == "static")
    assert static["metrics"]["macs"] == 14 * 14 * 4 * 27 + 14 * 14 * 4 * 2
    # Without these variables it is the same environment: the run is continued, and done.
    plain = {name: value for name, value in odd.items() if name not in variables.OVERRIDDEN}
    output(plain, *command, cwd=tmp_path)
    assert len(list(tmp_path.glob("results/odd/*"))) == 1
    assert len(journal.read_text().splitlines()) == 1 + len(records)


@pytest.mark.slow
def test_predict_does_not_depend_on_keras_json(odd: dict[str, str], tmp_path: Path) -> None:
    import keras
    import numpy as np
    from PIL import Image

    keras.utils.set_random_seed(1)
    inputs = keras.Input((16, 16, 3))
    pooled = keras.layers.GlobalMaxPooling2D()(keras.layers.Conv2D(8, 3)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(3, "softmax")(pooled))
    model.save(tmp_path / "net.keras")
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    command = ("-m", "cnnbench", "predict", "net.keras", "noise.png", "--json")
    plain = output(dict(os.environ), *command, cwd=tmp_path)
    assert output(odd | _ODD_SHELL, *command, cwd=tmp_path) == plain
