"""Mean IoU of localisers by the size of the box, and differences between their settings.

    python benchmarks/small_boxes.py RUN [--groups 3]

Reads a run whose cells differ in their settings (``sqrt: true`` and ``false``, other weights of the
losses), trained with the same seeds on ``scenes``. The test images are divided into groups of equal
size by the area of their box. Differences are from the first cell, paired by seed and by image: the
95 % interval is of t over the seeds, widened by the error of the images.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from scipy import stats

from cnnbench.data import datasets
from cnnbench.data.datasets import Request
from cnnbench.probes.probe import setting_of
from cnnbench.record import Record
from cnnbench.results import journal
from cnnbench.tasks.localization.quality import scores_of


def cells(run: Path) -> dict[str, list[Record]]:
    """Return the trainings of each setting of each localiser, seed by seed."""
    found: dict[str, list[Record]] = defaultdict(list)
    for record in journal.read(run / journal.FILE_NAME)[1]:
        is_known = record.status == "ok" and "mean_iou" in record.metrics
        if record.probe == "accuracy" and is_known:
            found[f"{record.model} {setting_of(record).label()}"].append(record)
    return {name: sorted(seeds, key=lambda one: int(one.repeat)) for name, seeds in found.items()}


def overlaps(records: list[Record]) -> np.ndarray:
    """Return the IoU of every seed and image, ``(seeds, images)``."""
    rows = [scores_of(record, "mean_iou") for record in records]
    return np.stack([one.values / one.scale for one in rows if one is not None])


def areas(dataset: str) -> np.ndarray:
    """Return the area of the box of every test image, in px of the scene."""
    known = datasets.find(dataset)
    splits = known.load(Request(dataset, known.facts.px, 1, trains=False), None, [Path.cwd()])
    boxes = splits.test.objects().boxes[:, 0].astype(np.float64)
    return np.asarray((boxes[:, 2:] - boxes[:, :2]).prod(axis=1) * known.facts.px**2)


def interval(values: np.ndarray) -> tuple[float, float]:
    """Return mean and half of the 95 % interval of scores ``(seeds, images)``."""
    seeds, images = values.shape
    of_seeds = values.mean(axis=1).var(ddof=1) / seeds
    of_images = values.mean(axis=0).var(ddof=1) / images
    freedom = (seeds - 1) * ((of_seeds + of_images) / of_seeds) ** 2 if of_seeds else 1e6
    half = stats.t.ppf(0.975, freedom) * np.sqrt(of_seeds + of_images)
    return float(values.mean()), float(half)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--groups", type=int, default=3)
    arguments = parser.parse_args()
    found = cells(arguments.run)
    records = next(iter(found.values()))
    size = areas(records[0].setting["dataset"])
    groups = np.array_split(np.argsort(size, kind="stable"), arguments.groups)
    first: np.ndarray | None = None
    for name, seeds in found.items():
        given = overlaps(seeds)
        print(f"{name}: {len(seeds)} seeds, mean IoU {given.mean():.3f}")
        for group in groups:
            sides = np.sqrt(size[group])
            mean, half = interval(given[:, group])
            line = f"  {sides.min():4.0f} to {sides.max():2.0f} px  {mean:.3f} ± {half:.3f}"
            if first is not None and first.shape == given.shape:
                gap, error = interval(given[:, group] - first[:, group])
                line += f"   difference {gap:+.3f} ± {error:.3f}"
            print(line)
        first = given if first is None else first


if __name__ == "__main__":
    main()
