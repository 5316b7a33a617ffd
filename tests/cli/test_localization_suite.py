"""A suite with localisers, as processes: run, killed, resumed, reported, chosen, compared."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.probes.small_locators import BUILDERS, SCENES
from tests.processes import wait_until

SUITE = f"""
name: locate
models: ["small_nets.py:trunk", "small_nets.py:trunk+box", "small_nets.py:trunk+box[dropout=0.1]"]
probes:
  static: {{}}
  accuracy:
    dataset: "{SCENES}"
    image_size: 32
    train_examples: 1500
    test_examples: 500
    epochs: 5
    batch_size: 32
    learning_rate: 0.01
    augment: {{flip: horizontal}}
    seeds: 2
limits: {{timeout: 30min, memory: 4GiB}}
"""


def cnnbench(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cnnbench", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def records(folder: Path, out: str) -> list[dict[str, Any]]:
    (journal,) = (folder / out).glob("locate/*/records.jsonl")
    lines = [json.loads(line) for line in journal.read_text().splitlines()[1:]]
    return [line for line in lines if line.get("probe") == "accuracy"]


def quality(found: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    names = ("top1", "mean_iou", "located_top1")
    return {
        one["key"]: {name: one["metrics"][name] for name in names if name in one["metrics"]}
        for one in found
        if one["status"] == "ok"
    }


@pytest.mark.slow
def test_classifiers_and_localisers_of_one_suite_end_to_end(tmp_path: Path) -> None:
    (tmp_path / "small_nets.py").write_text(BUILDERS)
    (tmp_path / "suite.yaml").write_text(SUITE)
    done = cnnbench(tmp_path, "run", "suite.yaml", "--out", "whole")
    assert done.returncode == 0, done.stdout + done.stderr
    whole = records(tmp_path, "whole")
    tasks = [one["setting"].get("task", "classification") for one in whole]
    assert sorted(tasks) == ["classification"] * 2 + ["localization"] * 4
    (run,) = (tmp_path / "whole").glob("locate/*")
    with (run / "report.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    label = next(name for name in rows[0] if name.startswith("mean_iou@")).partition("@")[2]
    assert label.startswith(f"{SCENES}/scratch/")
    assert "/task=localization/" in label
    assert [bool(row[f"mean_iou@{label}"]) for row in rows] == [False, True, True]
    assert [bool(row[f"located_top1@{label}"]) for row in rows] == [False, True, True]
    plain = label.replace("/task=localization", "")
    assert [bool(row[f"top1@{plain}"]) for row in rows] == [True, False, False]

    shown = cnnbench(tmp_path, "report", str(run))
    assert shown.returncode == 0, shown.stderr
    assert "Mean IoU" in shown.stdout
    chosen = cnnbench(tmp_path, "choose", str(run), "--maximize", "mean_iou", "--json")
    assert chosen.returncode == 0, chosen.stderr
    assert "+box" in json.loads(chosen.stdout)["winner"]["model"]
    same = cnnbench(tmp_path, "compare", str(run), str(run), "--metric", "mean_iou")
    assert same.returncode == 0, same.stderr

    # Killed in the training of a localiser, resumed: the same numbers.
    command = [sys.executable, "-m", "cnnbench", "run", "suite.yaml", "--out", "killed"]
    killed = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL)
    states = "killed/locate/*/artifacts/*/*/scratch-*/training.npz"

    def is_training_a_localiser() -> bool:
        journal = list((tmp_path / "killed").glob("locate/*/records.jsonl"))
        past = len(records(tmp_path, "killed")) if journal else 0
        return (past >= 2 and any(tmp_path.glob(states))) or killed.poll() is not None

    wait_until(is_training_a_localiser)
    assert killed.poll() is None
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    assert cnnbench(tmp_path, "run", "suite.yaml", "--out", "killed").returncode == 0
    assert quality(records(tmp_path, "killed")) == quality(whole)
    assert not list(tmp_path.glob(states))
