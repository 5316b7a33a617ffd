"""Networks of keras-hub: backbones and image tasks, each counted whole.

``frozen_macs`` is the other count: of the graph that TensorFlow freezes, on sizes that it ran with.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import keras
import pytest

from cnnbench.analysis import inspect, weightless
from tests.analysis.frozen_count import frozen_macs

pytestmark = pytest.mark.slow

NETWORKS = (
    "resnet",
    "resnet_vd_classifier",
    "vgg_classifier",
    "densenet_classifier",
    "efficientnet_classifier",
    "mobilenet_v3_classifier",
    "csp_darknet_classifier",
    "cs3_edge",
    "csp_resnext",
    "xception_classifier",
    "hgnet_classifier",
    "vit_classifier",
    "deit_classifier",
    "swin_classifier",
    "dinov2",
    "mit_classifier",
    "segformer",
    "deeplab_v3_plus",
    "retinanet",
    "vit_det",
    "sam",
    "d_fine",
    "depth_anything",
)

# What sorts has no number of operations: it is named.
SORTING = {"d_fine": "TopKV2"}
FILE = Path(__file__).with_name("hub_networks.py")


@pytest.fixture(params=NETWORKS)
def build(request: pytest.FixtureRequest) -> Callable[[], Any]:
    keras.backend.clear_session()
    return _builder(request.param)


def _builder(name: str) -> Callable[[], Any]:
    """Import keras-hub only when a test runs: it takes seconds, and all tests are collected."""
    builder: Callable[[], Any] = getattr(import_module("tests.analysis.hub_networks"), name)
    return builder


def test_macs_equal_those_of_the_frozen_graph(build: Callable[[], Any]) -> None:
    model = build()
    found = inspect(model)
    assert found.metrics["macs"] == frozen_macs(model)
    assert found.metrics["params"] == model.count_params()
    assert sum(row.macs for row in found.rows) == found.metrics["macs"]
    named = found.to_json()
    assert bool(named["uncounted_ops"]) == (build.__name__ in SORTING)
    for name, reason in zip(named["uncounted_ops"], named["uncounted_reasons"], strict=True):
        assert SORTING[build.__name__] in name
        assert reason


def test_weightless_counts_equal_those_with_weights(build: Callable[[], Any]) -> None:
    live = inspect(build())
    with weightless():
        found = inspect(build())
    assert found.metrics == live.metrics


def test_command_line_counts_an_image_task() -> None:
    command = [sys.executable, "-m", "cnnbench", "inspect", f"{FILE}:segformer", "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    metrics = json.loads(done.stdout)["metrics"]
    assert metrics["macs"] == frozen_macs(_builder("segformer")())
    assert metrics["uncounted_ops"] == 0
