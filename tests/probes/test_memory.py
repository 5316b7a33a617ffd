"""The memory probe: the system's high-water mark, and a network whose peak is known."""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from cnnbench.probes.memory import peak, run
from tests.processes import HANGS_AFTER_S

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="the high-water mark is Linux' own"
)

_ROOT = Path(__file__).parents[2]
_MB = 10**6
_NETWORK = """
import json, sys
from pathlib import Path
import tensorflow as tf
from cnnbench.probes.memory.settings import MemorySetting
from cnnbench.probes.interface import Context
from cnnbench.probes.memory import run as memory
from tests.probes.tiny import Tiny

class Wide(Tiny):
    input_shape = (128, 128, 4)
    def build(self, **_):
        inputs = tf.keras.Input(self.input_shape)
        x = tf.keras.layers.UpSampling2D(2)(inputs)
        x = tf.keras.layers.Concatenate()([x, x])
        return tf.keras.Model(inputs, tf.keras.layers.GlobalAveragePooling2D()(x))

predicted = []
context = Context(0, Path("."), Path("."), report_predicted_peak=predicted.append)
found = memory.run(Wide(), MemorySetting(batch_size=32), context)
print(json.dumps([found.metrics, found.details, found.samples, predicted]))
"""


_TRAINED = """
import json
from pathlib import Path
import tensorflow as tf
from cnnbench.probes.memory.settings import MemorySetting
from cnnbench.probes.interface import Context
from cnnbench.probes.memory import run as memory
from tests.probes.tiny import Tiny

class Plain(Tiny):
    input_shape = (128, 128, 3)
    def build(self, **_):
        layers = tf.keras.layers
        inputs = x = tf.keras.Input(self.input_shape)
        for _ in range(3):
            x = layers.Conv2D(16, 3, padding="same", activation="sigmoid")(x)
        return tf.keras.Model(inputs, layers.Dense(5)(layers.GlobalAveragePooling2D()(x)))

setting = MemorySetting(batch_size=32, mode="train")
print(json.dumps(memory.run(Plain(), setting, Context(0, Path("."), Path("."))).metrics))
"""


def _peaks_after_freeing() -> list[int]:
    # Freed memory between used blocks, as a process that has worked before has it in its heap.
    blocks = [bytearray(100_000) for _ in range(1000)]
    kept = [bytearray(100) for _ in range(1000)]
    del blocks
    peak.return_freed_memory()
    assert len(kept) == 1000

    def work() -> None:
        np.ones(50 * _MB, np.uint8)

    # The second time the pages must not come from what the first one freed.
    return [peak.of_process(work).bytes for _ in range(2)]


def _peaks_beside_what_is_held() -> list[int]:
    before = np.ones(50 * _MB, np.uint8)
    idle = peak.of_process(lambda: None).bytes
    held = peak.of_process(lambda: np.ones(10 * _MB, np.uint8)).bytes
    assert before.nbytes == 50 * _MB
    return [idle, held]


def _in_a_fresh_process(function: Callable[[], list[int]]) -> list[int]:
    """As every cell is measured: no thread of another test frees or needs anything meanwhile."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function).result(timeout=HANGS_AFTER_S)


def test_peak_includes_memory_freed_before_the_end() -> None:
    for found in _in_a_fresh_process(_peaks_after_freeing):
        assert found == pytest.approx(50 * _MB, rel=0.05)


@pytest.mark.slow
def test_training_step_keeps_activations_of_the_backward_pass() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _TRAINED],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=HANGS_AFTER_S,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    metrics = json.loads(done.stdout.splitlines()[-1])
    # The sigmoid of every convolution is kept for its gradient: 128 x 128 x 16, 32 images, 4 bytes.
    kept = 3 * 32 * 128 * 128 * 16 * 4
    assert kept < metrics["memory_train_peak_bytes"] < 2.5 * kept
    assert metrics["memory_predicted_bytes"] == pytest.approx(
        metrics["memory_train_peak_bytes"], rel=0.5
    )


def test_peak_excludes_memory_in_use_before() -> None:
    idle, held = _in_a_fresh_process(_peaks_beside_what_is_held)
    assert idle < _MB
    assert held == pytest.approx(10 * _MB, rel=0.1)


@pytest.mark.slow
def test_measured_peak_equals_manual_count() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _NETWORK],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=HANGS_AFTER_S,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    metrics, details, samples, predicted = json.loads(done.stdout.splitlines()[-1])
    # At the concatenation: 256 x 256 x 4 come in and 256 x 256 x 8 go out, 32 images, 4 bytes.
    by_hand = 32 * 256 * 256 * (4 + 8) * 4
    assert metrics["memory_predicted_bytes"] == by_hand
    assert metrics["memory_infer_peak_bytes"] == pytest.approx(by_hand, rel=0.05)
    ratio = metrics["memory_infer_peak_bytes"] / by_hand
    assert metrics["memory_ratio"] == pytest.approx(ratio)
    (of_process,) = predicted
    assert of_process > by_hand
    # The resident set over the whole job: what the batch found there, then less than its peak.
    seconds, sizes = samples["timeline_s"], samples["timeline_bytes"]
    assert len(seconds) == len(sizes) > 10
    assert seconds == sorted(seconds)
    assert details["before_bytes"] * 0.9 < max(sizes) < details["before_bytes"] + 1.1 * by_hand
    names, moments = zip(*details["phases"], strict=True)
    assert names == ("building", "first image", "batch of 32", "done")
    between_samples = max(after - before for before, after in pairwise(seconds))
    assert list(moments) == sorted(moments) and moments[-1] <= seconds[-1] + 2 * between_samples


def test_sampled_sizes_follow_the_work() -> None:
    def work() -> int:
        time.sleep(0.2)
        held = np.ones(100 * _MB, np.uint8)
        time.sleep(2)  # a hundred samples, of which a busy machine takes at least one
        return len(held)

    result, seconds, sizes = run.sampled(work)
    assert result == 100 * _MB
    assert max(sizes) - sizes[0] == pytest.approx(100 * _MB, rel=0.05)
    assert seconds[sizes.index(max(sizes))] > 0.15
    kept = run._thinned(range(10), [1, 9, 2, 3, 4, 8, 5, 6, 7, 0], 2)
    assert kept == ([1, 5], [9, 8])


def test_sampled_work_runs_once_and_raises_its_exception() -> None:
    calls = []
    assert run.sampled(lambda: calls.append(1))[0] is None
    assert len(calls) == 1
    with pytest.raises(ZeroDivisionError):
        run.sampled(lambda: 1 / 0)
