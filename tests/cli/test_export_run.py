"""From a run to a file and back: exported, inspected, predicted with, measured, trained further."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

from cnnbench.data import loading
from cnnbench.data.datasets import Request
from cnnbench.results import journal

DATA = "dataset: fashion_mnist, test_examples: 200"
SUITE = f"""
name: cam
models: [LeNet5]
probes:
  accuracy: [{{{DATA}, train_examples: 600, epochs: 3, seeds: 1, keep_weights: true}}]
"""
AGAIN = f"""
name: again
models: [cam.tflite, seed-0.keras]
probes:
  static: {{}}
  latency: {{runtimes: [litert, graph], models: [cam.tflite], min_rounds: 1, max_rounds: 1}}
  accuracy:
    - {{{DATA}, recipe: none}}
    - {{{DATA}, recipe: continue, models: [seed-0.keras], train_examples: 600, epochs: 1,
       learning_rate: 0.00001, seeds: 1}}
"""


def cnnbench(folder: Path, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cnnbench", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=900)
    assert done.returncode == code, done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.slow
def test_a_run_becomes_a_file_that_is_a_model(tmp_path: Path) -> None:
    (tmp_path / "cam.yaml").write_text(SUITE)
    cnnbench(tmp_path, "run", "cam.yaml")
    (run,) = (tmp_path / "results" / "cam").iterdir()
    (kept,) = run.glob("artifacts/LeNet5/accuracy-fashion_mnist-*/seed-0.keras")
    (tmp_path / "seed-0.keras").write_bytes(kept.read_bytes())

    # int8 throughout, with what is needed to use it.
    options = ("--variant", "ptq-int8", "--int8-io", "--out", "cam.tflite")
    shown = cnnbench(tmp_path, "export", "results/cam", *options)
    assert shown.stdout.startswith("cam.tflite: LeNet5 ptq-int8, ")
    assert "int8 inputs and outputs" in shown.stdout
    card = json.loads((tmp_path / "cam.json").read_text())
    opened = Interpreter(str(tmp_path / "cam.tflite"))
    (given,), (found,) = opened.get_input_details(), opened.get_output_details()
    assert given["dtype"] == found["dtype"] == np.int8
    scale, zero_point = given["quantization"]
    assert card["input"] == {
        "shape": [1, 28, 28, 1], "dtype": "int8", "scale": pytest.approx(scale),
        "zero_point": zero_point,
    }  # fmt: skip
    assert card["labels"][1] == "Trouser"
    assert card["preprocessing"]["std"] == [pytest.approx(255)]
    assert card["metrics"]["agreement"] > 0.9
    assert card["latency"]["processes"] == 1

    # Its steps in the words of `how_to_use`, without cnnbench.
    request = Request(
        "fashion_mnist", size=(28, 28), channels=1, train_examples=600, test_examples=200
    )
    test = loading.load(request).test
    opened.allocate_tensors()
    right = 0
    for image, label in zip(test.images, test.labels, strict=True):
        pixels = (image.astype(np.float32) - 0) / 255
        entering = np.clip(np.round(pixels / scale) + zero_point, -128, 127).astype(np.int8)
        opened.set_tensor(given["index"], entering[None])
        opened.invoke()
        right += int(np.argmax(opened.get_tensor(found["index"])[0]) == label)
    assert right / 200 == card["metrics"]["top1"]

    inspected = json.loads(cnnbench(tmp_path, "inspect", "cam.tflite", "--json").stdout)
    assert inspected["metrics"]["macs"] == 416_520
    assert inspected["uncounted_ops"] == []
    trouser = test.images[list(test.labels).index(1)]
    Image.fromarray(trouser[..., 0]).save(tmp_path / "one.png")
    answers = [
        json.loads(cnnbench(tmp_path, "predict", model, "one.png", "--json").stdout)[0]["classes"]
        for model in ("cam.tflite", "seed-0.keras")
    ]
    assert answers[0][0]["name"] == answers[1][0]["name"], "a name, and the same of both files"
    assert answers[0][0]["name"] in card["labels"]

    # As a model of a suite: the file as it is, next to the network it came from.
    (tmp_path / "again.yaml").write_text(AGAIN)
    cnnbench(tmp_path, "run", "again.yaml")
    (again,) = (tmp_path / "results" / "again").glob("*/records.jsonl")
    records = journal.read(again)[1]
    judged = {
        (record.model, record.setting["recipe"]): record.metrics["top1"]
        for record in records
        if record.probe == "accuracy"
    }
    before = judged["seed-0.keras", "none"]
    assert judged["cam.tflite", "none"] == card["metrics"]["top1"]
    assert judged["seed-0.keras", "continue"] == pytest.approx(before, abs=0.05)
    runtimes = {
        record.setting["runtime"]: (record.status, record.reason)
        for record in records
        if record.probe == "latency"
    }
    assert runtimes["litert"] == ("ok", "")
    reason = "cam.tflite is a .tflite file, which this runtime does not open"
    assert runtimes["graph"] == ("skipped", reason)

    refused = cnnbench(tmp_path, "export", "cam.tflite", *options, code=2)
    assert "cam.tflite is converted already" in refused.stderr
    (tmp_path / "short.tflite").write_bytes((tmp_path / "cam.tflite").read_bytes()[:3000])
    damaged = cnnbench(tmp_path, "inspect", "short.tflite", code=2)
    assert "the LiteRT file is truncated or damaged" in damaged.stderr
