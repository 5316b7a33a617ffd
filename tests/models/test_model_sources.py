"""Model sources: the built-in ones, and one that another installed package adds."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from cnnbench.errors import UserError
from cnnbench.models import registry
from cnnbench.models.sources import SOURCES
from tests.test_extras import cnnbench

SUITE = """
name: toy
models: ["toy://tiny", "toy://tiny[width=4]", LeNet5]
probes: {static: {batch_sizes: [1]}}
"""


def params(width: int) -> int:
    return (9 * width + width) + (10 * width + 10)


@pytest.mark.slow
def test_an_installed_source_is_inspected_and_run_by_name(tmp_path: Path) -> None:
    found = cnnbench(tmp_path, "inspect", "toy://tiny[width=3]", "--json")
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["model"] == "toy://tiny[width=3]"
    assert json.loads(found.stdout)["metrics"]["params"] == params(3)

    (tmp_path / "toy.yaml").write_text(SUITE)
    done = cnnbench(tmp_path, "run", "toy.yaml")
    assert done.returncode == 0, done.stderr
    (run,) = (tmp_path / "results" / "toy").iterdir()
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
        ("toy://tiny+box", "toy://tiny cannot leave its top off, which +box needs"),
    ],
)
def test_an_unknown_name_of_an_installed_source_is_a_user_error(
    model: str, words: str, tmp_path: Path
) -> None:
    refused = cnnbench(tmp_path, "inspect", model)
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
def test_exactly_one_built_in_source_matches_a_name(
    name: str, source: str | None, tmp_path: Path
) -> None:
    matching = [key for key, each in SOURCES.items() if each.matches(name, [tmp_path])]
    assert matching[:1] == ([] if source is None else [source])


def test_a_name_that_no_source_matches_is_a_user_error() -> None:
    with pytest.raises(UserError, match="unknown model 'hub://owner/name'"):
        registry.resolve("hub://owner/name")


def test_every_model_states_its_task(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text("def net(input_shape=(8, 8, 1), classes=2): ...\n")
    models: list[Any] = [registry.resolve("LeNet5"), registry.resolve("nets:net", [tmp_path])]
    assert [model.task for model in models] == ["classification"] * 2
