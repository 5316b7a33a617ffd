"""Data sets that are generated: kept in the results folder, for later jobs and runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import cnnbench
from cnnbench.probes.accuracy import run as accuracy
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.probes.interface import Context
from tests.probes.small import SmallNet

SHORT: dict[str, Any] = {
    "dataset": "scenes[objects=1,px=32]",
    "epochs": 1,
    "train_examples": 64,
    "test_examples": 32,
}


def files_in(cache: Path) -> dict[str, int]:
    return {file.name: file.stat().st_ino for file in cache.rglob("*") if file.is_file()}


def test_a_training_keeps_generated_images_in_the_cache_of_its_job(tmp_path: Path) -> None:
    setting = AccuracySetting.model_validate({**SHORT, "image_size": 8})
    context = Context(0, tmp_path, tmp_path, cache=tmp_path / "cache")
    found = accuracy.run(SmallNet(), setting, context)
    assert found.details["n_test"] == 32
    kept = files_in(tmp_path / "cache")
    assert set(kept) == {"train-0.scenes", "test-0.scenes"}
    accuracy.run(SmallNet(), setting, context)
    assert files_in(tmp_path / "cache") == kept


@pytest.mark.slow
def test_runs_share_what_one_has_generated_and_their_results_do_not_depend_on_it(
    tmp_path: Path,
) -> None:
    suite = {
        "name": "garments",
        "models": ["LeNet5"],
        "probes": {"accuracy": [{**SHORT, "recipe": "scratch", "seeds": 1}]},
    }
    first = cnnbench.run(suite, out=tmp_path / "results")
    kept = files_in(tmp_path / "results" / ".cache")
    assert set(kept) == {"train-0.scenes", "test-0.scenes"}
    second = cnnbench.run(suite, out=tmp_path / "results", fresh=True)
    assert files_in(tmp_path / "results" / ".cache") == kept
    elsewhere = cnnbench.run(suite, out=tmp_path / "others")
    (one,), (two,), (three,) = (run.raw for run in (first, second, elsewhere))
    assert one.status == "ok"
    assert one.key == two.key == three.key
    assert one.metrics["loss"] == two.metrics["loss"] == three.metrics["loss"]
