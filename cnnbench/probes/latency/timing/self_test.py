"""One process of the noise self-test: ``python -m`` this module with the number of threads.

Times a small NumPy workload, with arithmetic and memory traffic in turn as in a CNN, by the loop
and with the reference workload that are used for models. Prints JSON: ``location_s, median_s,
reference_s, flags``.
"""

from __future__ import annotations

import json
import sys

import numpy as np

from cnnbench.probes.latency.timing import machine
from cnnbench.probes.latency.timing.loop import (
    TimingConfig,
    fastest_decile_mean,
    measure,
    warm_up,
)
from cnnbench.probes.latency.timing.reference_workload import reference

_CONFIG = TimingConfig(seconds=0.4, blocks=4, warm_up_s=1.0)
_CHANNELS, _PIXELS, _LAYERS = 64, 56 * 56, 6


def main() -> None:
    """Measure once and print the result."""
    threads = int(sys.argv[1])
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((_CHANNELS, _CHANNELS), dtype=np.float32) / 8
    inputs = [rng.standard_normal((_PIXELS, _CHANNELS), dtype=np.float32) for _ in range(4)]

    def call(images: np.ndarray) -> np.ndarray:
        for _ in range(_LAYERS):
            images = np.maximum(images @ weights, 0)
        return images

    with reference(threads) as work:
        warm = warm_up(call, inputs, _CONFIG)
        before = machine.now()
        timing = measure(call, inputs, work, warm.windows[-1], _CONFIG)
        meanwhile = machine.between(before, machine.now())
    found = {
        "location_s": fastest_decile_mean(timing.calls),
        "median_s": float(np.median(timing.calls)),
        "reference_s": fastest_decile_mean(timing.reference_calls),
        "flags": meanwhile.flags(threads),
    }
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
