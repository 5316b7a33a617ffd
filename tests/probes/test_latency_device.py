"""The path to a GPU, on TensorFlow's logical CPU devices with a fake synchronisation and counter.

A process may split the CPU only before its first tensor, so all of it runs in one fresh process.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cnnbench.errors import Unavailable
from cnnbench.probes.interface import Context
from cnnbench.probes.latency import run as latency
from cnnbench.probes.latency.runtimes.tensorflow_device import require_gpu, show_gpu
from cnnbench.probes.latency.settings import LatencySetting
from cnnbench.probes.memory import peak
from cnnbench.probes.memory import run as memory
from cnnbench.probes.memory.settings import MemorySetting
from tests.probes.tiny import Tiny
from tests.processes import HANGS_AFTER_S

_ROOT = Path(__file__).parents[2]
_SCRIPT = """
import json, sys
from pathlib import Path
import numpy as np
import tensorflow as tf
from cnnbench.probes.latency.settings import LatencySetting
from cnnbench.probes.latency import calibrated_model
from cnnbench.probes.latency.runtimes.graph import Graph
from cnnbench.probes.latency.runtimes.keras_call import Eager
from tests.probes.tiny import Tiny

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2)
synchronised = []
folder, found = Path(sys.argv[1]), {}
runtimes = {
    name: kind(Tiny(), LatencySetting(runtime=name, threads=1), folder, "CPU:1",
               lambda: synchronised.append(1))
    for name, kind in {"graph": Graph, "eager": Eager}.items()
}
runtimes["graph"].start()
model = calibrated_model.build(Tiny())
images = calibrated_model.random_inputs(Tiny(), 1, seed=5)
for name, path in runtimes.items():
    path.prepare(model)
    path.load()
    path.compile(images)
    fed = path.feed(images)
    result = path.call(fed)
    state = [tensor for tensor, _ in path._function.get_concrete_function(fed).graph.captures] \\
        if name == "graph" else [variable.value for variable in path._model.variables]
    found[name] = {
        "fed": fed.device, "host": [type(array).__name__ for array in result],
        "state": [tensor.device for tensor in state],
        "difference": float(
            np.abs(result[0] - calibrated_model.keras_outputs(model, images)[0]).max()
        ),
        "threads": path.threads_in_use(), "synchronised": len(synchronised)}
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("device")
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, str(folder)],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=HANGS_AFTER_S,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


@pytest.mark.slow
@pytest.mark.parametrize(("name", "synchronised"), [("graph", 1), ("eager", 2)])
def test_inputs_are_on_the_device_and_outputs_on_the_host(
    found: dict[str, Any], name: str, synchronised: int
) -> None:
    assert found[name]["fed"].endswith("device:CPU:1")
    assert found[name]["host"] == ["ndarray"]
    assert found[name]["synchronised"] == synchronised
    assert found[name]["difference"] < 1e-6
    assert found[name]["threads"] == 1


@pytest.mark.parametrize("name", ["graph", "eager"])
def test_variables_are_on_the_device(found: dict[str, Any], name: str) -> None:
    state = found[name]["state"]
    assert len(state) == len(Tiny().build().weights)
    assert {device.rpartition("device:")[2] for device in state} == {"CPU:1"}


class _Counter:
    """Stands in for TensorFlow's memory counter."""

    def __init__(self) -> None:
        self.current, self.peak = 700, 9000

    def reset_memory_stats(self, device: str) -> None:
        self.peak = self.current

    def get_memory_info(self, device: str) -> dict[str, int]:
        return {"current": self.current, "peak": self.peak}


def test_gpu_peak_is_the_increase_of_the_counter() -> None:
    counter = _Counter()

    def work() -> None:
        counter.peak = 1700

    assert peak.of_gpu(work, counter).bytes == 1000


class _Stop(Exception):
    pass


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_cpu_settings_hide_every_gpu(monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    import tensorflow as tf

    seen: list[Any] = []
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["first", "second"])
    monkeypatch.setattr(tf.config, "set_visible_devices", lambda *shown: seen.append(shown))
    monkeypatch.setattr(
        tf.config.experimental, "set_memory_growth", lambda *grows: seen.append(grows)
    )
    show_gpu(device == "gpu")
    hidden, one = [([], "GPU")], [(["first"], "GPU"), ("first", True)]
    assert seen == (one if device == "gpu" else hidden)

    def stop(*_: object, **__: object) -> None:
        raise _Stop

    # Both probes say so before they build anything.
    monkeypatch.setattr(memory.peak, "without_tensorflow_pool", stop)
    monkeypatch.setattr(latency.calibrated_model, "is_large", stop)
    context = Context(0, Path(), Path())
    for work in (
        lambda: memory.run(Tiny(), MemorySetting.model_validate({"device": device}), context),
        lambda: latency.prepare(Tiny(), LatencySetting.model_validate({"device": device}), context),
    ):
        seen.clear()
        with pytest.raises(_Stop):
            work()
        assert seen == (one if device == "gpu" else hidden)


def test_no_gpu_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow as tf

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    with pytest.raises(Unavailable, match="no GPU visible to TensorFlow"):
        require_gpu()
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [SimpleNamespace()])
    require_gpu()
