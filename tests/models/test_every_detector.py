"""Every architecture of the catalogue takes every head of a detector."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.models.every_detector import CLASSES, Counted, classifiers, count, heads

# Built by the fast tests.
FAST = [("BasicCNN", "yolo"), ("LeNet5", "ssdlite"), ("ShuffleNetV2", "windows")]
PAIRS = [(name, head) for name in classifiers() for head in heads()]


def check(counted: Counted) -> None:
    assert counted.uncounted == 0
    if counted.scores == "grid":
        assert min(counted.boxes) >= 7
        assert counted.shapes == {"": [None, *counted.boxes, 2 * 5 + CLASSES]}
        return
    width = CLASSES + (counted.scores == "softmax")
    anchors = counted.boxes[0]
    assert counted.shapes == {"boxes": [None, anchors, 4], "classes": [None, anchors, width]}
    assert counted.resolutions > 1


@pytest.mark.parametrize(
    ("name", "head"),
    [
        *FAST,
        *(pytest.param(*pair, marks=pytest.mark.slow) for pair in PAIRS if pair not in FAST),
    ],
)
def test_every_architecture_takes_every_head(name: str, head: str) -> None:
    check(count(name, head))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["BasicCNN", "MobileNetV2", "ShuffleNetV2", "ResNet50", "VGG16"])
def test_architectures_take_every_head_in_keras_2(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.models.every_detector", name],
        env={**os.environ, "TF_USE_LEGACY_KERAS": "1"}, cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = {head: Counted(**facts) for head, facts in json.loads(done.stdout)[name].items()}
    assert list(found) == heads()
    for counted in found.values():
        check(counted)
