"""Runs of networks whose input shape and classes are known only after building them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cnnbench.results import journal
from tests.processes import HANGS_AFTER_S

NETS = """
from tensorflow import keras

L = keras.layers


def one():
    image = keras.Input((8, 8, 1))
    pooled = L.GlobalAveragePooling2D()(L.Conv2D(8, 3, activation="relu")(image))
    return keras.Model(image, L.Dense(10, activation="softmax")(pooled))


def two_inputs():
    image, facts = keras.Input((8, 8, 1)), keras.Input((16,))
    pooled = L.GlobalAveragePooling2D()(L.Conv2D(8, 3)(image))
    return keras.Model([image, facts], L.Dense(10)(L.Concatenate()([pooled, facts])))


def two_outputs():
    image = keras.Input((8, 8, 1))
    pooled = L.GlobalAveragePooling2D()(L.Conv2D(8, 3)(image))
    return keras.Model(image, [L.Dense(10)(pooled), L.Dense(2)(pooled)])
"""
SUITE = """
name: own
models: ["nets:one", "nets:two_inputs", "nets:two_outputs"]
probes:
  static:
  latency:
    - {models: ["nets:two_outputs"], runtimes: [graph], threads: [1], min_rounds: 1, max_rounds: 1}
  accuracy: {dataset: digits, epochs: 1, seeds: 1}
  compression:
    - {models: ["nets:one"], variants: [ptq-dynamic], min_rounds: 1, max_rounds: 1}
"""


@pytest.mark.slow
def test_builds_a_network_to_find_its_input_and_classes(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(NETS)
    (tmp_path / "own.yaml").write_text(SUITE)
    done = subprocess.run(
        [sys.executable, "-m", "cnnbench", "run", "own.yaml"],
        cwd=tmp_path, capture_output=True, text=True, timeout=HANGS_AFTER_S,
    )  # fmt: skip
    (run,) = (tmp_path / "results" / "own").iterdir()
    records = journal.read(run / "records.jsonl")[1]
    found = {(r.model, r.probe, r.setting.get("runtime", ""), r.repeat): r for r in records}
    assert found["nets:one", "accuracy", "", 0].status == "ok"
    # TensorFlow was not started in the worker before its threads were set.
    timed = found["nets:two_outputs", "latency", "graph", 0]
    assert timed.status == "ok"
    assert not [flag for flag in timed.details["flags"] if "threads" in flag]
    assert found["nets:two_inputs", "static", "", 0].status == "ok"
    compressed = [r for r in records if r.probe == "compression"]
    assert {r.status for r in compressed} == {"ok"}, [r.reason for r in compressed]
    assert {r.variant for r in compressed} == {"float32", "ptq-dynamic"}
    refused = found["nets:two_inputs", "accuracy", "", 0]
    assert refused.status == "skipped"
    assert "it takes 8x8x1 and 16, not one image" in refused.reason
    judged = found["nets:two_outputs", "accuracy", "", 0]
    assert (judged.status, judged.details["output"]) == ("ok", "0"), judged.reason
    assert done.returncode == 0, done.stderr


CHANGING_SUITE = """
name: own
models: ["nets:net"]
probes:
  static:
  latency: {runtimes: [graph], threads: [1], min_rounds: 1, max_rounds: 1}
"""
CHANGING = """
from tensorflow import keras


def net(input_shape=(8, 8, 1), classes=10):
    with open(__file__, "a") as file:  # the user edits the file during the run
        file.write("# once more\\n")
    layers = [keras.Input(input_shape), keras.layers.Flatten(), keras.layers.Dense(classes)]
    return keras.Sequential(layers)
"""


@pytest.mark.slow
def test_a_network_edited_during_the_run_is_not_measured(
    tmp_path: Path,
) -> None:
    (tmp_path / "nets.py").write_text(CHANGING)
    (tmp_path / "own.yaml").write_text(CHANGING_SUITE)
    done = subprocess.run(
        [sys.executable, "-m", "cnnbench", "run", "own.yaml"],
        cwd=tmp_path, capture_output=True, text=True, timeout=HANGS_AFTER_S,
    )  # fmt: skip
    assert done.returncode == 1
    assert "nets:net has changed since the suite was planned: rerun the command" in done.stderr
    (run,) = (tmp_path / "results" / "own").iterdir()
    records = journal.read(run / "records.jsonl")[1]
    assert {(r.probe, r.status) for r in records} == {("static", "ok"), ("latency", "failed")}


SEQUENTIAL = """
from tensorflow import keras

model = keras.models.Sequential([
    keras.layers.Conv2D(4, 3, activation="relu", input_shape={shape}),
    keras.layers.MaxPooling2D(),
    keras.layers.Flatten(),
    keras.layers.Dense({classes}, activation="softmax"),
])
"""
FILES = {"net": ([28, 28, 1], 10), "wide": ([32, 32, 3], 10), "five": ([28, 28, 1], 5)}
OF_FILES = """
name: files
models: [net.py, wide.py, five.py]
probes:
  static:
  latency: {models: [net.py], runtimes: [graph], min_rounds: 1, max_rounds: 1}
  accuracy:
    - {dataset: fashion_mnist, epochs: 1, seeds: 1, train_examples: 40, test_examples: 20}
    - {models: [wide.py], dataset: fashion_mnist, epochs: 1, seeds: 1, train_examples: 40,
       test_examples: 20, image_size: own}
"""


@pytest.mark.slow
def test_networks_of_fixed_input_and_classes_are_trained_where_the_data_fits(
    tmp_path: Path,
) -> None:
    for name, (shape, classes) in FILES.items():
        (tmp_path / f"{name}.py").write_text(SEQUENTIAL.format(shape=shape, classes=classes))
    (tmp_path / "files.yaml").write_text(OF_FILES)
    done = subprocess.run(
        [sys.executable, "-m", "cnnbench", "run", "files.yaml"],
        cwd=tmp_path, capture_output=True, text=True, timeout=HANGS_AFTER_S,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    (run,) = (tmp_path / "results" / "files").iterdir()
    records = journal.read(run / "records.jsonl")[1]
    found = {(r.model, r.probe, r.setting.get("image_size"), r.repeat): r for r in records}
    assert {r.status for r in records if r.probe in ("static", "latency")} == {"ok"}
    assert found["net:model", "accuracy", 28, 0].status == "ok"
    assert found["wide:model", "accuracy", "own", 0].status == "ok"
    reasons = [found[name, "accuracy", 28, 0].reason for name in ("wide:model", "five:model")]
    assert reasons == [
        "its input is fixed at 32x32x3, not 28x28x3: set `image_size: own`",
        "it has 5 classes, but fashion_mnist has 10: give its builder a parameter 'classes', or "
        "train it on images of 5 classes",
    ]
