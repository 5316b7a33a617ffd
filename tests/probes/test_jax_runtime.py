"""The runtime ``jax``: several outputs in Keras' order, and layers that call TensorFlow."""

from __future__ import annotations

from pathlib import Path

import pytest

from cnnbench.errors import Unavailable
from cnnbench.probes.latency.runtimes.jax import Jax
from cnnbench.probes.latency.settings import LatencySetting
from tests.probes.paths import prepare_and_run, require
from tests.probes.tiny import Functions

SETTING = LatencySetting(runtime="jax", threads=1)

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("network", ["Tiny", "Heads", "Twins"])
def test_outputs_are_those_of_keras_on_tensorflow(network: str, tmp_path: Path) -> None:
    require("jax")
    made, found = prepare_and_run(SETTING, tmp_path, network)
    assert made["metrics"]["convert_s"] > 0
    assert found["metrics"]["output_max_abs_diff"] < 1e-5
    assert not any("disagrees" in flag for flag in found["details"]["flags"])


def test_a_layer_that_calls_tensorflow_is_the_reason_to_skip(tmp_path: Path) -> None:
    require("jax")
    with pytest.raises(Unavailable, match="does not run on Keras' JAX backend: "):
        Jax(Functions(), SETTING, tmp_path).prepare(Functions().build())
