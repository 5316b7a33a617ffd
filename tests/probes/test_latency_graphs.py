"""Graphs that call functions and networks with many outputs, through every call path."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cnnbench.probes.latency.runtimes import saved_graph
from cnnbench.probes.latency.settings import LatencySetting
from tests.probes.paths import prepare_and_run, require
from tests.probes.tiny import Functions


@pytest.mark.slow
@pytest.mark.parametrize("network", ["Functions", "Heads", "Twins"])
def test_saved_graph_with_functions_or_many_outputs_agrees_with_keras(
    network: str, tmp_path: Path
) -> None:
    _check_answers("graph", network, tmp_path)


def test_litert_keeps_outputs_of_one_width_apart(tmp_path: Path) -> None:
    _check_answers("litert", "Twins", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("network", ["Functions", "Heads", "Boxes", "Twins", "Listed"])
@pytest.mark.parametrize(
    "runtime", ["predict", "eager", "xla", "litert", "onnxruntime", "openvino"]
)
def test_every_runtime_agrees_with_keras_on_functions_and_many_outputs(
    runtime: str, network: str, tmp_path: Path
) -> None:
    _check_answers(runtime, network, tmp_path)


def _check_answers(runtime: str, network: str, folder: Path) -> None:
    require(runtime)
    _, found = prepare_and_run(LatencySetting(runtime=runtime, threads=1), folder, network)
    assert found["metrics"]["output_max_abs_diff"] < 1e-5 * found["details"]["output_scale"]


_GROUPED = """
name: s
models: ["ResNeXt50[input_shape=64x64x3]", "AlexNet[groups=2,input_shape=96x96x3,classes=10]"]
probes:
  latency: {runtimes: [graph, xla, litert], threads: [1], min_rounds: 1, max_rounds: 1}
"""


@pytest.mark.slow
def test_catalogue_networks_with_grouped_convolutions_are_timed(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(_GROUPED)
    command = [sys.executable, "-m", "cnnbench", "run", "s.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    (journal,) = tmp_path.glob("results/s/*/records.jsonl")
    records = [json.loads(line) for line in journal.read_text().splitlines()[1:]]
    rounds = [record for record in records if record["metrics"].get("latency_mean_s")]
    assert len(rounds) == 6
    assert not any("disagrees" in flag for r in rounds for flag in r["details"]["flags"])


def test_saved_graph_keeps_xla_compilation_of_grouped_convolutions(
    tmp_path: Path,
) -> None:
    import tensorflow as tf

    model = Functions().build()
    concrete = saved_graph.trace(model, (1, *Functions.input_shape))
    saved_graph.save(concrete, tmp_path)
    saved = tf.function(saved_graph.load(tmp_path)).get_concrete_function(
        tf.TensorSpec((1, *Functions.input_shape))
    )

    def compiled(function: Any) -> int:
        library = function.graph.as_graph_def().library.function
        return sum(one.attr["_XlaMustCompile"].b for one in library)

    assert compiled(saved) == compiled(concrete) >= 2
