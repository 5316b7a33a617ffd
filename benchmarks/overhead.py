"""Overhead of the timing loop, compared with a hand-written loop over the same callable.

Measured for a LiteRT network of about 0.1 ms and one of about 10 ms. Both loops alternate in one
process and the order changes every turn, so that drift affects both equally. The ratio of the
medians must lie within 2 % of one.

    python benchmarks/overhead.py [--turns 20] [--seconds 0.5] [--quick]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from cnnbench.models import registry
from cnnbench.probes.latency import calibrated_model
from cnnbench.probes.latency.reference import CoreReference
from cnnbench.probes.latency.runtimes.litert import LiteRT
from cnnbench.probes.latency.settings import LatencySetting
from cnnbench.probes.latency.timed_round import TimingConfig
from cnnbench.probes.latency.timing import measure

WITHIN = 0.02
NETWORKS = {"0.1 ms": "LeNet5[input_shape=48x48x1]", "10 ms": "MobileNet"}


def by_hand(call: Callable[[Any], Any], image: Any, seconds: float) -> float:
    """Median of a plain loop, in seconds."""
    times = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        start = time.perf_counter()
        call(image)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def by_loop(call: Callable[[Any], Any], image: Any, seconds: float, threads: int) -> float:
    """Median measured by the probe's loop, in seconds."""
    config = TimingConfig(seconds=seconds)
    with CoreReference(threads, config.clock_ns) as reference:
        timing = measure(call, [image] * 4, reference, 1e-3, config)
    return statistics.median(timing.calls)


def ratios(model: str, turns: int, seconds: float) -> tuple[list[float], float]:
    """Return the ratio probe's loop ÷ plain loop of every turn, and the plain loop's median."""
    subject = registry.resolve(model)
    setting = LatencySetting(runtime="litert", threads=1)
    with tempfile.TemporaryDirectory() as folder:
        path = LiteRT(subject, setting, Path(folder))
        path.prepare(calibrated_model.build(subject))
        path.start()
        path.load()
        image = calibrated_model.random_inputs(subject, 1, seed=0)
        path.compile(image)
        by_hand(path.call, image, 1.0)
        found, hands = [], []
        for turn in range(turns):
            pair = {}
            for name in ("hand", "loop") if turn % 2 else ("loop", "hand"):
                pair[name] = (
                    by_hand(path.call, image, seconds)
                    if name == "hand"
                    else by_loop(path.call, image, seconds, path.threads)
                )
            found.append(pair["loop"] / pair["hand"])
            hands.append(pair["hand"])
        path.close()
    return found, statistics.median(hands)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--quick", action="store_true", help="functional check: two short turns")
    arguments = parser.parse_args()
    turns, seconds = (2, 0.1) if arguments.quick else (arguments.turns, arguments.seconds)
    all_within = True
    for name, model in NETWORKS.items():
        found, hand = ratios(model, turns, seconds)
        low, high = np.percentile(found, [25, 75])
        print(
            f"{name:7} {model}: plain {1e3 * hand:.3f} ms, ratio {statistics.median(found):.4f} "
            f"(half of the turns within {low:.4f} ... {high:.4f})"
        )
        all_within &= abs(statistics.median(found) - 1) <= WITHIN
    print(f"{'within' if all_within else 'NOT within'} {WITHIN:.0%} of one")
    sys.exit(0 if all_within or arguments.quick else 1)


if __name__ == "__main__":
    main()
