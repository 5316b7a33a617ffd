"""Every architecture of the catalogue takes every head for segmentation."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.models.every_detector import classifiers
from tests.models.every_segmenter import CLASSES, SIZE, Counted, count, heads, strides

# Built by the fast tests.
FAST = [("BasicCNN", "fcn8s"), ("LeNet5", "unet"), ("SqueezeNet", "fcn"), ("ResNet18", "lraspp")]
PAIRS = [(name, head) for name in classifiers() for head in heads()]


def check(counted: Counted) -> None:
    assert counted.uncounted == 0
    assert counted.shape == [None, *SIZE, CLASSES]
    assert counted.prefixed > 1


@pytest.mark.parametrize(
    ("name", "head"),
    [
        *FAST,
        *(pytest.param(*pair, marks=pytest.mark.slow) for pair in PAIRS if pair not in FAST),
    ],
)
def test_every_architecture_takes_every_head(name: str, head: str) -> None:
    check(count(name, head))


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in ("VGG11", "MobileNetV2") else [pytest.mark.slow])
        for name in classifiers()
    ],
)
def test_every_architecture_has_resolutions_and_can_be_dilated(name: str) -> None:
    resolutions, own, made = strides(name, 8)
    assert resolutions >= 3
    assert made == min(own, 8)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["BasicCNN", "MobileNetV3Large", "ResNet50V1_5", "VGG16"])
def test_architectures_take_every_head_in_keras_2(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.models.every_segmenter", name],
        env={**os.environ, "TF_USE_LEGACY_KERAS": "1"}, cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = {head: Counted(**facts) for head, facts in json.loads(done.stdout)[name].items()}
    assert list(found) == heads()
    for counted in found.values():
        check(counted)
