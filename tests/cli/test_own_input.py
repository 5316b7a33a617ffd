"""Networks with their own input shape, trained and converted through the command line.

There is neither a network connection nor a data folder; the images are part of the package.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from ai_edge_litert.interpreter import Interpreter

from cnnbench.models import registry
from cnnbench.probes import artifacts
from cnnbench.suite import plan as planning
from cnnbench.suite import suite as suites

NETS = """
from tensorflow import keras

L = keras.layers


def net(input_shape=(28, 28, 1), classes=10):
    layers = [keras.Input(input_shape), L.Conv2D(8, 3, 2, activation="relu")]
    return keras.Sequential([*layers, L.GlobalAveragePooling2D(), L.Dense(classes, "softmax")])


def fixed():
    return net((20, 20, 3))
"""
WIDE, SMALL = "nets:net[input_shape=16x24x1]", "nets:net[classes=7,input_shape=12x12x3]"
SUITE = f"""
name: sizes
models: ["nets:net", "{WIDE}", "{SMALL}", "nets:fixed", net.keras]
probes:
  accuracy:
    dataset: fashion_mnist
    image_size: 20
    epochs: 1
    train_examples: 40
    test_examples: 20
    seeds: 1
    keep_weights: true
"""
SETTING = "1ep/n40/test_examples=20"


def cnnbench(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    nowhere = {"https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
    environment = {**os.environ, **nowhere, "KERAS_HOME": str(folder / "keras")}
    environment.pop("CNNBENCH_DATA", None)
    return subprocess.run(
        [sys.executable, "-m", "cnnbench", *arguments],
        cwd=folder, capture_output=True, text=True, timeout=600, env=environment,
    )  # fmt: skip


def kept_inputs(run: Path) -> dict[str, tuple[int, ...]]:
    """Return model -> input shape of the network that its training saved."""
    plan = planning.plan(suites.load(run.parents[2] / f"{run.parent.name}.yaml", registry))
    return {
        cell.model.label: registry.resolve(str(file)).input_shape
        for cell in plan.cells
        for file in run.glob("artifacts/*/*/seed-0.keras")
        if cell.key == artifacts.key_of(file.parent)
    }


@pytest.mark.slow
def test_models_train_at_their_own_input_and_share_a_column(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(NETS)
    (tmp_path / "sizes.yaml").write_text(SUITE)
    namespace: dict[str, Any] = {}
    exec(NETS, namespace)
    namespace["net"]((14, 14, 1)).save(tmp_path / "net.keras")
    notes = [
        "accuracy, fashion_mnist: image_size: 20 applies to nets:fixed, nets:net; "
        f"{WIDE} keeps its own input, 16x24x1; {SMALL} keeps its own input, 12x12x3; "
        "net.keras keeps its own input, 14x14x1",
        f"accuracy, fashion_mnist: {SMALL} is trained for the data set's 10 classes",
    ]
    listed = cnnbench(tmp_path, "run", "sizes.yaml", "--dry-run")
    assert listed.stdout.splitlines()[:2] == notes, listed.stderr
    done = cnnbench(tmp_path, "run", "sizes.yaml")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[:2] == notes
    assert f"trained for the data set's 10 classes ({SMALL})" in " ".join(done.stdout.split())
    assert not (tmp_path / "keras" / "datasets").exists(), "nothing was fetched"

    (run,) = (tmp_path / "results" / "sizes").iterdir()
    table = pd.read_csv(run / "report.csv").set_index("model")
    columns = {
        column: sorted(table.index[table[column].notna()])
        for column in table.columns
        if column.startswith("top1@")
    }
    assert columns == {
        f"top1@fashion_mnist/scratch/20px/{SETTING}": ["nets:fixed", "nets:net"],
        f"top1@fashion_mnist/scratch/own/{SETTING}": sorted([WIDE, SMALL, "net.keras"]),
    }
    assert kept_inputs(run) == {
        "nets:net": (20, 20, 1),
        WIDE: (16, 24, 1),
        SMALL: (12, 12, 3),
        "nets:fixed": (20, 20, 3),
        "net.keras": (14, 14, 1),
    }


SISTERS = [f"MobileNetV2[alpha=0.35,classes=10,input_shape={side}x{side}x3]" for side in (96, 160)]


@pytest.mark.slow
def test_one_architecture_at_two_input_sizes_is_two_models_everywhere(tmp_path: Path) -> None:
    data = "{dataset: digits, epochs: 1, train_examples: 100, test_examples: 20}"
    accuracy = data.replace("}", ", seeds: 1, keep_weights: true}")
    (tmp_path / "sisters.yaml").write_text(f"""
name: sisters
models: {json.dumps(SISTERS)}
probes:
  static:
  latency: {{runtimes: [litert], min_rounds: 1, max_rounds: 1}}
  accuracy: [{accuracy}]
  compression: [{{training: {data}, variants: [ptq-int8], min_rounds: 1, max_rounds: 1}}]
""")
    done = cnnbench(tmp_path, "run", "sisters.yaml")
    assert done.returncode == 0, done.stderr
    (run,) = (tmp_path / "results" / "sisters").iterdir()
    shapes = [(96, 96, 3), (160, 160, 3)]
    assert kept_inputs(run) == dict(zip(SISTERS, shapes, strict=True))
    table = pd.read_csv(run / "report.csv").set_index(["model", "variant"])
    assert [table["input_shape"][name, v] for name in SISTERS for v in ("float32", "ptq-int8")] == [
        *["96x96x3"] * 2,
        *["160x160x3"] * 2,
    ]
    trained = "digits/scratch/own/1ep/n100/test_examples=20"
    for column in (f"top1@{trained}", f"train_s@{trained}", "latency_p50_s@cpu/litert/b1"):
        assert table[column].xs("float32", level="variant").notna().all(), column
    assert table[f"top1@{trained}/litert"].notna().all()
    assert table[f"loss@{trained}"].nunique() == 2, "two networks, two answers"

    for name, shape in zip(SISTERS, shapes, strict=True):
        (weights,) = (
            file
            for file in run.glob("artifacts/*/accuracy-*/seed-0.weights.h5")
            if file.parts[-3] == artifacts.words(name)
        )
        options = ("--variant", "ptq-int8", "--dataset", "digits", "--weights", str(weights))
        done = cnnbench(tmp_path, "export", name, *options, "--out", "m.tflite")
        assert done.returncode == 0, done.stderr
        details = Interpreter(str(tmp_path / "m.tflite")).get_input_details()
        assert [one["shape"].tolist() for one in details] == [[1, *shape]]
        card = json.loads((tmp_path / "m.json").read_text())
        assert (card["input_shape"], card["classes"]) == (list(shape), 10)
