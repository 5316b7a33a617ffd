"""Time of the trackers a frame, apart from any detector, by the number of objects.

``python benchmarks/tracker.py`` prints the median and the 90th percentile over the frames of
objects that move at constant velocity, of boxes with noise and a tenth of them missing.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator

import numpy as np

from cnnbench.tasks.tracking import TRACKERS, Detections, resolve

FRAMES, SIZE, SIDE = 600, 1000.0, 40.0
WARM_UP = 50


def frames(objects: int, seed: int = 0) -> Iterator[Detections]:
    """Yield the detections of each frame."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(0, SIZE, (objects, 2))
    speeds = rng.uniform(-3, 3, (objects, 2))
    for frame in range(FRAMES):
        corners = (places + speeds * frame) % SIZE + rng.normal(0, 1, (objects, 2))
        boxes = np.concatenate([corners, corners + SIDE], axis=1)
        seen = rng.uniform(size=objects) > 0.1
        yield Detections(boxes[seen], rng.uniform(0.15, 1, seen.sum()))


def timed(name: str, objects: int) -> list[float]:
    """Return the seconds of each frame after the first ones."""
    given, linker = list(frames(objects)), resolve(name).start()
    seconds = []
    gc.collect()
    gc.disable()
    for detections in given:
        started = time.perf_counter()
        linker.update(detections)
        seconds.append(time.perf_counter() - started)
    gc.enable()
    return seconds[WARM_UP:]


def main() -> None:
    """Print a line for each tracker and number of objects."""
    print(f"{'tracker':<12}{'objects':>8}{'median ms':>12}{'p90 ms':>10}")
    for name in TRACKERS:
        for objects in (5, 20, 100):
            middle, high = np.percentile(timed(name, objects), [50, 90]) * 1e3
            print(f"{name:<12}{objects:>8}{middle:>12.3f}{high:>10.3f}")


if __name__ == "__main__":
    main()
