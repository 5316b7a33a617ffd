"""One process of the noise self-test.

Run with ``python -m``; its arguments are a number of threads, and the fastest readings so far as
JSON. It prints what it measured as JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from cnnbench.probes.latency.timed_round import TimingConfig, fastest_decile_mean
from cnnbench.probes.latency.timing import observe


def self_test(threads: int, fastest: Mapping[str, float]) -> dict[str, Any]:
    """Time a small NumPy workload: arithmetic and memory traffic in turn, as in a CNN."""
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((64, 64), dtype=np.float32) / 8
    inputs = [rng.standard_normal((56 * 56, 64), dtype=np.float32) for _ in range(4)]

    def call(images: np.ndarray) -> np.ndarray:
        for _ in range(6):
            images = np.maximum(images @ weights, 0)
        return images

    config = TimingConfig(seconds=0.4, warm_up_s=1.0)
    _, timing = observe(call, inputs, threads, config, fastest)
    return {
        "location_s": fastest_decile_mean(timing.calls),
        "median_s": float(np.median(timing.calls)),
        "fastest": timing.fastest,
        "waited_s": timing.waited_s,
        "left_out_s": timing.left_out_s,
        "is_disturbed": timing.is_disturbed,
        "flags": timing.usage().flags(threads),
        "disturbances": timing.usage().disturbances(),
    }


if __name__ == "__main__":
    known: dict[str, float] = json.loads(sys.argv[2])
    sys.stdout.write(json.dumps(self_test(int(sys.argv[1]), known)))
