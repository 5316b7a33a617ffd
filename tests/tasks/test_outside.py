"""A task, a data set and a metric of another package, from suite to report (``tests/extras``)."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.test_extras import EXTRAS, cnnbench, rows, suite

PREDICTING = """
import json
import numpy as np
from PIL import Image
import cnnbench
from cnnbench.models import registry

network = registry.resolve("toy://lamp").build()
network.set_weights([np.full(one.shape, 1 / one.size) for one in network.get_weights()])
network.save_weights("lamp.weights.h5")
Image.new("L", (8, 8), 51).save("dim.png")
found = cnnbench.predict("toy://lamp", ["dim.png"], weights="lamp.weights.h5")
print(json.dumps([str(found), found._repr_html_(), found.to_json()]))
"""


def ran(folder: Path, text: str) -> dict[str, str]:
    """The first row of the report of a suite, by column."""
    done = cnnbench(folder, "run", suite(folder, text))
    assert done.returncode == 0, done.stderr
    (row,) = rows(folder).values()
    return row


def settings(folder: Path) -> list[dict[str, Any]]:
    (journal,) = folder.glob("results/extras/*/records.jsonl")
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    return [line["setting"] for line in lines if "setting" in line]


@pytest.mark.slow
def test_a_task_of_another_package_is_trained_and_evaluated(tmp_path: Path) -> None:
    entry = (
        "{dataset: digits, task: brightness, epochs: 8, learning_rate: 0.03, seeds: 2, "
        "validation: 0.1, target_brightness_mae: 0.9}"
    )
    row = ran(tmp_path, f"models: ['Tiny[activation=linear]']\nprobes: {{accuracy: {entry}}}\n")
    found = {name: row[name] for name in row if name.startswith("brightness_mae")}
    label = (
        "digits/scratch/8ep/task=brightness/validation=0.1/learning_rate=0.03"
        "/target_brightness_mae=0.9"
    )
    # Of an error, less is better: the first of eight epochs reaches it.
    assert 0 < float(row[f"time_to_target_s@{label}"]) < float(row[f"train_s@{label}"])
    assert float(found[f"brightness_mae@{label}"]) < 0.022  # the mean of all images is 0.028 off
    assert len(found[f"brightness_mae_samples@{label}"].split(";")) == 2
    assert float(found[f"brightness_mae_ci_high@{label}"]) > 0
    assert not any(name.startswith("top1") for name in row)
    assert {one["task"] for one in settings(tmp_path)} == {"brightness"}


@pytest.mark.slow
def test_predict_shows_what_the_task_of_another_package_decodes(tmp_path: Path) -> None:
    path = os.pathsep.join([str(ROOT), str(EXTRAS)])
    done = subprocess.run(
        [sys.executable, "-c", PREDICTING],
        capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    text, html, plain = json.loads(done.stdout)
    assert text == "dim.png\n  brightness 1.60"  # (9 * 0.2 / 18 + 1 / 2) / 2 * 2 + 1
    assert "<th>Image</th><th>Brightness</th>" in html
    assert plain[0]["image"] == "dim.png" and list(plain[0]) == ["image", "means"]


@pytest.mark.slow
def test_a_data_set_and_a_metric_of_another_package_join_the_built_in_ones(tmp_path: Path) -> None:
    entry = "{dataset: shades, epochs: 3, learning_rate: 0.03, batch_size: 8, seeds: 2}"
    row = ran(tmp_path, f"models: [Tiny]\nprobes: {{accuracy: {entry}}}\n")
    label = "shades/scratch/3ep/batch_size=8/learning_rate=0.03"
    assert float(row[f"top2@{label}"]) == 1.0
    assert float(row[f"top2_ci_low@{label}"]) < 1.0  # Wilson's interval, as of any share
    assert f"top1@{label}" in row
    assert {"task" in one for one in settings(tmp_path)} == {False}  # keys as before tasks


@pytest.mark.slow
def test_a_network_of_a_task_of_another_package_is_compressed(tmp_path: Path) -> None:
    training = "{dataset: digits, task: brightness, epochs: 8, learning_rate: 0.03}"
    entry = (
        f"{{training: {training}, variants: [ptq-dynamic, pruned-50], fine_tune_epochs: 1, "
        "min_rounds: 1, max_rounds: 1}"
    )
    models = "models: ['Tiny[activation=linear]']"
    done = cnnbench(
        tmp_path, "run", suite(tmp_path, f"{models}\nprobes: {{compression: {entry}}}\n")
    )
    assert done.returncode == 0, done.stderr
    (report,) = tmp_path.glob("results/extras/*/report.csv")
    with report.open(newline="") as lines:
        found = {row["variant"]: row for row in csv.DictReader(lines)}
    label = "digits/scratch/8ep/task=brightness/learning_rate=0.03/litert"
    errors = {variant: float(row[f"brightness_mae@{label}"]) for variant, row in found.items()}
    assert list(errors) == ["float32", "ptq-dynamic", "pruned-50"]
    assert errors["float32"] < 0.028 > errors["ptq-dynamic"], "the mean of all images is 0.028 off"
    assert "float32's accuracy" not in found["ptq-dynamic"]["compression_verdict"]
    assert not any(name.startswith(("top1", "agreement")) for name in found["float32"])
