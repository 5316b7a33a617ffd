"""Budgets of `cnn_budget` for files, variants and qualities, in pytest runs of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.report.test_pytest_plugin import run

SCENES = "scenes[objects=1-3,px=32,sides=10-22]"

_MISTAKES = """
import pytest
def test_nothing(cnn_budget):
    cnn_budget("LeNet5")
def test_variant(cnn_budget):
    cnn_budget("LeNet5", variant="ptq-int7", file="1MB")
def test_runtime(cnn_budget):
    cnn_budget("LeNet5", variant="ptq-int8", latency_p50={"graph": "1s"})
def test_no_runtime(cnn_budget):
    cnn_budget("LeNet5", latency_p50={})
def test_bare_time(cnn_budget):
    cnn_budget("LeNet5", latency_p50="15ms")
def test_images(cnn_budget):
    cnn_budget("LeNet5", top1=0.9)
def test_weights(cnn_budget):
    cnn_budget("LeNet5", top1=0.9, dataset="digits")
def test_gone(cnn_budget):
    cnn_budget("LeNet5", top1=0.9, dataset="digits", weights="gone.weights.h5")
def test_dataset(cnn_budget):
    cnn_budget(tiny(4), top1=0.9, dataset="digitz")
"""


@pytest.mark.slow
def test_a_mistake_in_a_budget_is_a_sentence(tmp_path: Path) -> None:
    done = run(tmp_path, _MISTAKES)
    assert "9 failed" in done.stdout, done.stdout
    assert "Traceback" not in done.stdout
    for words in (
        'cnn_budget: no budget is given (for example params="4M")',
        "cnn_budget: unknown variant 'ptq-int7' (did you mean 'ptq-int8'?)",
        "cnn_budget: ptq-int8 runs in litert, not in graph",
        "cnn_budget: latency_p50: no runtime has a limit",
        "cnn_budget: latency_p50: '15ms' is for no runtime (write {\"litert\": '15ms'})",
        "cnn_budget: top1 needs images",
        "cnn_budget: LeNet5 has no trained weights",
        "cnn_budget: no weights file 'gone.weights.h5'",
        "did you mean 'digits'?",
    ):
        assert words in done.stdout


# 1,610 parameters are 6,440 bytes in float32, and a quarter of it in int8.
_FILES = """
def test_whole(cnn_budget):
    report = cnn_budget(tiny(4), file="100kB", params="2k")
    assert report["file_bytes"][0] > 6440
def test_too_large(cnn_budget):
    cnn_budget(tiny(4), file="3kB")
def test_variant(cnn_budget):
    report = cnn_budget(
        tiny(4), variant="ptq-int8", file="100kB", latency_p50={"litert": "10min"}, rounds=1
    ).set_index("variant")
    assert set(report.index) == {"float32", "ptq-int8"}
    assert report.loc["ptq-int8", "latency_p50_s_status@cpu/litert/b1"] == "ok"
    assert report.loc["float32", "params"] == 1610
def test_variant_beside_a_reference(cnn_budget):
    cnn_budget(tiny(4), variant="ptq-float16", relative_to="LeNet5", latency_ratio=1e-6, rounds=1)
"""


@pytest.mark.slow
def test_the_file_of_a_variant_has_a_budget(tmp_path: Path) -> None:
    done = run(tmp_path, _FILES)
    assert "2 failed, 2 passed" in done.stdout, done.stdout
    assert "kB, over the budget of 3 kB by" in done.stdout
    assert "litert: takes" in done.stdout
    assert "times as long as LeNet5" in done.stdout


_QUALITIES = f"""
from tensorflow import keras
import pytest
L = keras.layers
IMAGES = {{"dataset": "digits", "train_examples": 50, "test_examples": 50}}
SCENES = {{"dataset": "{SCENES}", "train_examples": 8, "test_examples": 20}}
HEAD = "[grid=4,width=8,depth=0,input_shape=32x32x1,classes=10]"
DETECTOR = f"BasicCNN[width=0.125,batch_norm=true]+yolo{{HEAD}}"

def digits():
    keras.utils.set_random_seed(0)
    layers = [keras.Input((8, 8, 1)), L.Flatten(), L.Dense(10, "softmax")]
    return keras.Sequential(layers, name="digits")

def test_live(cnn_budget):
    cnn_budget(digits(), dataset=IMAGES, top1=0.99, agreement="99%")

def test_file(cnn_budget, tmp_path):
    digits().save(tmp_path / "net.keras")
    cnn_budget(str(tmp_path / "net.keras"), dataset=IMAGES, top1=0.0, loss=100)

def test_weights_of_a_detector(cnn_budget, tmp_path):
    from cnnbench.models import registry
    registry.resolve(DETECTOR).build().save_weights(tmp_path / "net.weights.h5")
    weights = tmp_path / "net.weights.h5"
    cnn_budget(DETECTOR, weights=weights, dataset=SCENES, box_map50=0.9)

def test_segmentation(cnn_budget):
    images = keras.Input((32, 32, 1))
    network = keras.Model(images, L.Conv2D(11, 3, padding="same")(images), name="pixels")
    scenes = {{**SCENES, "task": "segmentation"}}
    cnn_budget(network, dataset=scenes, segmentation_miou="95%", variant="ptq-dynamic")
"""


@pytest.mark.slow
def test_qualities_of_given_weights_have_a_budget(tmp_path: Path) -> None:
    done = run(tmp_path, _QUALITIES)
    assert "3 failed, 1 passed" in done.stdout, done.stdout
    for metric, least in (("top1", "99.0"), ("box_map50", "90.0"), ("segmentation_miou", "95.0")):
        line = next(line for line in done.stdout.splitlines() if f"{metric} is " in line)
        assert f"%, under the budget of {least} % by " in line
        assert line.rstrip().endswith("percentage points")
