"""Model sources: the built-in ones, and one that another installed package adds."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cnnbench.errors import UserError
from cnnbench.models import registry
from cnnbench.models.sources import SOURCES
from tests.conftest import ROOT

TOY = """
from cnnbench.models import preprocessing
from cnnbench.models.catalog import Entry
from cnnbench.models.model import Model
from cnnbench.models.signature import Signature


class Factory:
    is_trained = False

    def takes(self, argument):
        return argument in ("input_shape", "classes")

    def architecture(self, request):
        import tensorflow as tf

        layers = tf.keras.layers
        inputs = tf.keras.Input(request.input_shape)
        x = layers.Conv2D(request.parameters.get("width", 2), 3, activation="relu")(inputs)
        x = layers.GlobalAveragePooling2D()(x)
        return tf.keras.Model(inputs, layers.Dense(request.classes, "softmax")(x), name="toy")

    def pretrained(self, request):
        raise NotImplementedError

    def restore(self, model):
        pass

    def preprocess(self, images, parameters):
        return preprocessing.unit(images)

    def fingerprint(self):
        return {"toy_version": "1"}


class Source:
    def matches(self, name, search_path):
        return name.startswith("toy://")

    def resolve(self, written, search_path):
        entry = Entry.of_user(written.name, "toy_models", (8, 8, 1), 10)
        return Model.from_name(written, entry, Signature({"width": 2}), Factory())


SOURCE = Source()
"""
SUITE = """
name: toy
models: ["toy://tiny", "toy://tiny[width=4]", LeNet5]
probes: {static: {batch_sizes: [1]}}
"""


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder in which a package with a model source lies as an installer would leave it."""
    (tmp_path / "toy_models.py").write_text(TOY)
    info = tmp_path / "toy_models-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy_models\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[cnnbench.model_sources]\ntoy = toy_models:SOURCE\n")
    return tmp_path


def cnnbench(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = f"{folder}{os.pathsep}{ROOT}"
    return subprocess.run(
        [sys.executable, "-m", "cnnbench", *arguments],
        cwd=folder, capture_output=True, text=True, timeout=300,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip


def params(width: int) -> int:
    return (9 * width + width) + (10 * width + 10)


def test_an_installed_source_is_inspected_and_run_by_name(installed: Path) -> None:
    found = cnnbench(installed, "inspect", "toy://tiny[width=3]", "--json")
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["model"] == "toy://tiny[width=3]"
    assert json.loads(found.stdout)["metrics"]["params"] == params(3)

    (installed / "toy.yaml").write_text(SUITE)
    done = cnnbench(installed, "run", "toy.yaml")
    assert done.returncode == 0, done.stderr
    (run,) = (installed / "results" / "toy").iterdir()
    with (run / "report.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert {row["model"]: int(row["params"]) for row in rows} == {
        "toy://tiny": params(2),
        "toy://tiny[width=4]": params(4),
        "LeNet5": 61_706,
    }


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("toy://tiny[depth=3]", "toy://tiny takes no parameter 'depth'"),
        ("toys://tiny", "unknown model 'toys://tiny'"),
    ],
)
def test_what_an_installed_source_does_not_know_is_one_clear_error(
    model: str, words: str, installed: Path
) -> None:
    refused = cnnbench(installed, "inspect", model)
    assert refused.returncode == 2
    assert words in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("lenet-5", "catalogue"),
        ("package.module:builder", "python_builder"),
        ("nets.py:builder", "python_builder"),
        ("folder:1/net.keras", "keras_file"),
        ("hub://owner/name", None),
        ("net.onnx", None),
    ],
)
def test_a_name_belongs_to_one_built_in_source(
    name: str, source: str | None, tmp_path: Path
) -> None:
    matching = [key for key, each in SOURCES.items() if each.matches(name, [tmp_path])]
    assert matching[:1] == ([] if source is None else [source])


def test_a_model_without_a_source_is_the_users_mistake() -> None:
    with pytest.raises(UserError, match="unknown model 'hub://owner/name'"):
        registry.resolve("hub://owner/name")


def test_every_model_states_its_task(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text("def net(input_shape=(8, 8, 1), classes=2): ...\n")
    models: list[Any] = [registry.resolve("LeNet5"), registry.resolve("nets:net", [tmp_path])]
    assert [model.task for model in models] == ["classification"] * 2
