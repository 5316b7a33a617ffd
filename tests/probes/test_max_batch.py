"""The largest batch under a limit: the search, the limited process, and a whole network."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnbench.errors import JobFailed, Unavailable
from cnnbench.probes.interface import Context
from cnnbench.probes.memory import max_batch
from cnnbench.probes.memory.settings import MemorySetting, MemorySpec
from tests.probes.tiny import Tiny
from tests.processes import HANGS_AFTER_S

_ROOT = Path(__file__).parents[2]
_MB = 10**6
_NETWORK = """
import json
from pathlib import Path
import tensorflow as tf
from cnnbench.probes.memory.settings import MemorySetting
from cnnbench.probes.interface import Context
from cnnbench.probes.memory import max_batch
from tests.probes.tiny import Tiny

class Wide(Tiny):
    # At the concatenation 8 times the image (twice the sides), and 4 times before it, are alive.
    input_shape = (128, 128, 4)
    def build(self, **_):
        inputs = tf.keras.Input(self.input_shape)
        x = tf.keras.layers.UpSampling2D(2)(inputs)
        x = tf.keras.layers.Concatenate()([x, x])
        return tf.keras.Model(inputs, tf.keras.layers.GlobalAveragePooling2D()(x))

here = Path({folder!r})
found = max_batch.find(Wide(), MemorySetting(limit={limit}), {limit}, Context(0, here, here))
print(json.dumps([found.metrics, found.details]))
"""


@given(st.integers(0, 3000), st.integers(1, 3000))
def test_search_finds_the_largest_batch_within_one_percent(largest: int, guess: int) -> None:
    tried: list[int] = []

    def fits(batch: int) -> bool:
        tried.append(batch)
        return batch <= largest

    found = max_batch.bisect(fits, guess, most=3000)
    assert largest - max(1, largest // 100) < found <= largest or found == largest
    assert len(tried) == len(set(tried))
    assert all(1 <= batch <= 3000 for batch in tried)
    assert len(tried) <= 20


def test_correct_guess_is_confirmed_in_few_tries() -> None:
    tried: list[int] = []
    assert max_batch.bisect(lambda batch: tried.append(batch) or batch <= 40, 40) == 40  # type: ignore[func-returns-value]
    assert len(tried) <= 4


def test_search_stops_at_the_largest_batch_allowed() -> None:
    assert max_batch.bisect(lambda batch: True, 7, most=100) == 100


def test_failure_far_below_the_limit_is_not_out_of_memory() -> None:
    class Broken(Tiny):
        def build(self, **_: object) -> object:
            raise ValueError("no such layer")

    need = max_batch.MemoryNeed(base=100, per_image=1)
    trials = max_batch.Trials(Broken(), "infer", 10**9, need)
    words = r"a batch of 3, which needs 0% of the limit, failed: .*no such layer"
    with pytest.raises(JobFailed, match=words):
        trials.fits(3)


def test_rejects_limit_above_the_suite_limit_before_building(tmp_path: Path) -> None:
    context = Context(0, tmp_path, tmp_path, memory_limit=2**30)
    with pytest.raises(Unavailable, match=r"2GiB is above limits.memory, 1GiB"):
        max_batch.find(Tiny(), MemorySetting(limit=2**31), 2**31, context)


def test_each_limit_is_its_own_cell() -> None:
    spec = MemorySpec.model_validate({"max_batch": "2GiB", "modes": ["infer", "train"]})
    labels = [setting.label_for("max_batch") for setting in spec.settings(Tiny()) if setting.limit]  # type: ignore[arg-type]
    assert labels == ["2GiB", "train/2GiB"]


@pytest.mark.slow
def test_finds_the_largest_batch_of_a_known_network(tmp_path: Path) -> None:
    limit = 1000 * _MB
    script = _NETWORK.replace("{folder!r}", repr(str(tmp_path))).replace("{limit}", str(limit))
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=HANGS_AFTER_S,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    metrics, details = json.loads(done.stdout.splitlines()[-1])
    image = 128 * 128 * 4 * 4
    assert details["predicted_bytes_per_image"] == image * (1 + 4 + 8)
    # The network is a few operations, so nearly all that is left is for its batch.
    left = limit - details["predicted_base_bytes"]
    assert metrics["max_batch"] == pytest.approx(left / (image * 13), rel=0.05)
    tries = details["tries"]
    assert max(t["batch"] for t in tries if t["fits"]) == metrics["max_batch"]
    assert any(not t["fits"] for t in tries)
