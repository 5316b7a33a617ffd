"""The whole registry is counted in one process that has not room for the largest one's weights."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from cnnbench.models.catalog import ENTRIES

_PROGRAM = """
import json
from cnnbench.analysis import inspect, weightless
from cnnbench.quiet import quiet
from cnnbench.models import registry

params = {}
with quiet():
    import tensorflow as tf
    for name in registry.names():
        tf.keras.backend.clear_session()
        with weightless():
            found = inspect(registry.resolve(name).architecture())
        params[name] = found.metrics["params"]
# Not ru_maxrss, which a program inherits from the process that started it.
status = open("/proc/self/status").read()
peak = int(status.partition("VmHWM:")[2].split()[0]) * 1024
print(json.dumps({"params": params, "peak": peak}))
"""


@pytest.mark.slow
def test_counting_a_catalogue_model_allocates_no_weights() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["params"] == {name: entry.params for name, entry in ENTRIES.items()}
    assert len(found["params"]) >= 60
    assert len({entry.family for entry in ENTRIES.values()}) >= 15
    largest = 4 * max(found["params"].values())
    assert found["peak"] < 1e9 < largest


def test_weights_of_a_counted_model_are_never_allocated_later() -> None:
    """Keras keeps a list of what has no value yet, and the next scope gives it one."""
    import gc
    import weakref

    import keras

    from cnnbench.analysis import inspect, weightless
    from cnnbench.models import registry

    with weightless():
        network = registry.resolve("VGG16").architecture()
        inspect(network)
    kernel = network.get_layer("fc1").kernel
    with keras.StatelessScope():
        pass
    assert kernel._value is None, "400 MB of random numbers"
    gone = weakref.ref(network)
    del network, kernel
    keras.backend.clear_session()
    gc.collect()
    assert gone() is None
