"""Speed of generating ``scenes``, and properties of the data set.

    python benchmarks/scenes.py [--scenes 2000] [--px 112]
    python benchmarks/scenes.py --properties

The first prints scenes and frames a second: of one process, of two processes and of two threads, by
the clock and (one process) by processor time, which other load affects little; and how long scenes
take to be written to the cache and read from it. The second prints the tables of docs/scenes.md.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from cnnbench.data import fashion_mnist
from cnnbench.data.scenes import SCENES, TEST_SCENES, TRAINING_SCENES, Recipe, cache, generate
from cnnbench.data.scenes.generate import SEEDS, Split
from cnnbench.data.scenes.pictures import ScenePictures
from cnnbench.data.scenes.sequences import make

WORKERS = 2
AT_ONCE = 500


def scenes(recipe: Recipe, first: int, count: int) -> int:
    """Generate scenes in this process; return their number."""
    return len(generate.records(recipe, "train", range(first, first + count)))


def seconds(act: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds of a call by the clock, and of this process by processor time."""
    clock, cpu = time.perf_counter(), time.process_time()
    act()
    return time.perf_counter() - clock, time.process_time() - cpu


def speed(count: int, px: int) -> None:
    recipe = SCENES.recipe.scaled(px)
    load = os.getloadavg()[0]
    print(f"{count:,} scenes of {px} px; load of the machine before: {load:.1f}")
    generate.garments_of("train")  # not part of the speed; 0.2 s
    scenes(recipe, 0, 100)
    clock, cpu = seconds(lambda: scenes(recipe, 0, count))
    print(f"one process    {count / clock:8,.0f} scenes/s, {count / cpu:,.0f} by processor time")
    share = count // WORKERS
    fork = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(WORKERS, fork) as processes, ThreadPoolExecutor(WORKERS) as threads:
        for kind, pool in (("processes", processes), ("threads", threads)):
            list(pool.map(scenes, [recipe] * WORKERS, range(WORKERS), [1] * WORKERS))  # begin

            def work(pool: ProcessPoolExecutor | ThreadPoolExecutor = pool) -> None:
                firsts = [number * share for number in range(WORKERS)]
                list(pool.map(scenes, [recipe] * WORKERS, firsts, [share] * WORKERS))

            clock, _ = seconds(work)
            print(f"two {kind:10} {WORKERS * share / clock:8,.0f} scenes/s")
    with tempfile.TemporaryDirectory() as folder:
        wanted = cache.Wanted(recipe, "train", 0, count)
        written, _ = seconds(lambda: cache.scenes(wanted, Path(folder)))
        read, _ = seconds(lambda: cache.scenes(wanted, Path(folder)))
        size = sum(file.stat().st_size for file in Path(folder).rglob("*.scenes"))
    print(f"cache          {written:.1f} s with writing, {read:.2f} s to read {size / 1e6:,.0f} MB")
    frames = 0

    def film() -> None:
        nonlocal frames
        for index in range(10):
            frames += len(make(SEEDS["train"], index, generate.garments_of("train"))[0])

    clock, cpu = seconds(film)
    print(f"sequences      {frames / clock:8,.0f} frames/s, {frames / cpu:,.0f} by processor time")


def properties() -> None:
    for split, count in (("train", TRAINING_SCENES), ("test", TEST_SCENES)):
        print(f"{split}: {count:,} scenes")
        for name, value in properties_of(split, count):
            print(f"  {name:50} {value}")
    for split, count in (("train", 200), ("test", 200)):
        print(f"{split}: {count} sequences")
        for name, value in properties_of_sequences(split, count):
            print(f"  {name:50} {value}")


def properties_of(split: Split, count: int) -> Iterator[tuple[str, str]]:
    objects = ScenePictures(generate.records(SCENES.recipe, split, range(count))).objects()
    is_object = objects.labels >= 0
    shares = np.bincount(objects.counts, minlength=7)[1:] / count
    yield "scenes with 1 to 6 garments", " ".join(f"{share:.1%}" for share in shares)
    yield "garments", f"{is_object.sum():,}, {objects.counts.mean():.2f} a scene"
    labels = np.bincount(objects.labels[is_object], minlength=10) / is_object.sum()
    for name, share in zip(fashion_mnist.CLASSES, labels, strict=True):
        yield f"  {name}", f"{share:.1%}"
    boxes = objects.boxes[is_object].astype(np.float64) * SCENES.recipe.px
    height, width = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    root = np.sqrt(height * width)
    yield "root of the box area, px (5, 50, 95 %)", _percentiles(root)
    yield "longer side of the box, px (5, 50, 95 %)", _percentiles(np.maximum(height, width))
    yield "COCO small (< 32² px)", f"{(root < 32).mean():.1%}"
    yield "COCO medium", f"{((root >= 32) & (root < 96)).mean():.1%}"
    assert objects.visible is not None and objects.instances is not None
    visible = objects.visible[is_object]
    yield "garments hidden in part", f"{(visible < 1).mean():.1%}"
    yield "garments hidden by a quarter or more", f"{(visible <= 0.75).mean():.1%}"
    yield "garments hidden by half or more", f"{(visible <= 0.5).mean():.1%}"
    yield "pixels that are garments", f"{(objects.instances > 0).mean():.1%}"
    for cells in (7, 14):
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2 / SCENES.recipe.px * cells
        rows = np.nonzero(is_object)[0]
        place = (rows * cells + centres[:, 0].astype(int)) * cells + centres[:, 1].astype(int)
        held = np.unique(place, return_counts=True)[1]
        yield f"{cells} x {cells} cells with a centre that hold several", f"{(held > 1).mean():.1%}"


def properties_of_sequences(split: Split, count: int) -> Iterator[tuple[str, str]]:
    garments, seed = generate.garments_of(split), SEEDS[split]
    shares = []
    appearances = 0
    for index in range(count):
        visible = make(seed, index, garments)[1].visible
        assert visible is not None
        shares.append(visible.ravel())
        is_hidden = visible == 0
        appearances += int((is_hidden[:-1] & ~is_hidden[1:]).sum())
    seen = np.concatenate(shares)
    yield "boxes", f"{len(seen):,}"
    for limit in (0.75, 0.4, 0.0):
        yield f"boxes with at most {limit:.0%} visible", f"{(seen <= limit).mean():.2%}"
    yield "garments that appear again after being hidden", f"{appearances / count:.2f} a sequence"


def _percentiles(values: np.ndarray) -> str:
    return " ".join(f"{value:.0f}" for value in np.percentile(values, (5, 50, 95)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=2000)
    parser.add_argument("--px", type=int, default=112)
    parser.add_argument("--properties", action="store_true")
    options = parser.parse_args()
    if options.properties:
        properties()
    else:
        speed(options.scenes, options.px)
    return 0


if __name__ == "__main__":
    sys.exit(main())
