"""A killed training resumes from its last epoch and gives the same numbers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.processes import wait_until

SUITE = """
name: digits
models: ["MobileNetV2[alpha=0.35]"]
probes:
  accuracy:
    dataset: digits
    image_size: 32
    train_examples: 320
    epochs: {epochs}
    batch_size: 32
    augment: {{flip: horizontal, rotation: 0.05, crop: 0.1, contrast: 0.2}}
    seeds: 1
limits: {{timeout: 30min, memory: 4GiB}}
"""


def start(folder: Path, out: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "cnnbench", "run", str(folder / "suite.yaml")]
    return subprocess.Popen(
        [*command, "--out", str(folder / out)], cwd=folder, stderr=subprocess.DEVNULL
    )


def record_of(folder: Path) -> dict[str, Any]:
    (journal,) = folder.glob("digits/*/records.jsonl")
    (record,) = (json.loads(line) for line in journal.read_text().splitlines()[1:])
    return dict(record)


@pytest.mark.slow
def test_a_resumed_training_gives_the_same_numbers(tmp_path: Path) -> None:
    (tmp_path / "suite.yaml").write_text(SUITE.format(epochs=4))
    assert start(tmp_path, "whole").wait() == 0
    killed = start(tmp_path, "killed")
    state = "killed/digits/*/artifacts/*/*/scratch-0/training.npz"
    # The first epoch is done.
    wait_until(lambda: any(tmp_path.glob(state)) or killed.poll() is not None)
    assert killed.poll() is None
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    (journal,) = (tmp_path / "killed").glob("digits/*/records.jsonl")
    assert len(journal.read_text().splitlines()) == 1  # the header alone
    assert start(tmp_path, "killed").wait() == 0
    whole, resumed = record_of(tmp_path / "whole"), record_of(tmp_path / "killed")
    assert resumed["key"] == whole["key"]
    for metric in ("top1", "loss", "ece"):
        assert resumed["metrics"][metric] == whole["metrics"][metric]
    assert resumed["details"]["correct"] == whole["details"]["correct"]
    # Each process traces the graph in its first epoch; the second process began with a later one.
    traced = [point["epoch"] for point in resumed["details"]["curve"] if "traced" in point]
    assert len(traced) == 2
    assert traced[0] == 1 < traced[1]
    assert not list(tmp_path.glob(state))


TRANSFER = """
name: transfer
models: [MobileNetV2]
probes:
  accuracy: {dataset: digits, recipe: transfer, weights: imagenet, image_size: 32, seeds: 2}
"""


@pytest.mark.slow
def test_missing_weights_skip_the_job_and_name_the_data_folder(
    tmp_path: Path,
) -> None:
    (tmp_path / "suite.yaml").write_text(TRANSFER)
    (tmp_path / "data").mkdir()
    nowhere = {"https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
    done = subprocess.run(
        [sys.executable, "-m", "cnnbench", "run", "suite.yaml", "--data-dir", "data"],
        cwd=tmp_path,
        env=os.environ | nowhere,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    wanted = "keras/models/mobilenet_v2_weights"
    assert f"cannot be downloaded; put it at {wanted}" in " ".join(done.stdout.split())
    assert "in the data folder" in done.stdout
    assert str(tmp_path) not in done.stdout  # a record may be published
