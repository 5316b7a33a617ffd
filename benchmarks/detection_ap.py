"""Seconds that evaluating a detector takes, part by part, on made answers.

python benchmarks/detection_ap.py [--images 5000] [--boxes 100] [--objects 10] [--classes 10]
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np

from cnnbench.data.annotations import NO_OBJECT
from cnnbench.tasks.detection import average_precision as ap
from cnnbench.tasks.detection import coco, mistakes, quality
from cnnbench.tasks.detection.matching import read_answers, read_truth

Named = dict[str, np.ndarray]


def made(images: int, boxes: int, objects: int, classes: int) -> tuple[Named, Named]:
    """Return answers, a tenth of them near true objects, and the truth."""
    random = np.random.default_rng(0)
    first = random.random((images, objects, 2)) * 0.7
    last = first + random.random((images, objects, 2)) * 0.25 + 0.05
    truth = {
        "labels": random.integers(0, classes, (images, objects)),
        "boxes": np.concatenate([first, last], axis=-1).astype(np.float32),
        "spans": np.full((images, 2), 480, np.float32),
    }
    places = random.random((images, boxes, 2)) * 0.7
    sizes = random.random((images, boxes, 2)) * 0.25 + 0.05
    found = np.concatenate([places, places + sizes], axis=-1)
    labels = random.integers(0, classes, (images, boxes))
    scores = random.random((images, boxes)) ** 3
    near = min(objects, boxes // 10)
    found[:, :near] = truth["boxes"][:, :near] + random.normal(0, 0.01, (images, near, 4))
    labels[:, :near] = truth["labels"][:, :near]
    scores[:, :near] = random.random((images, near))
    order = np.argsort(-scores, axis=1)
    answers = {
        "boxes": np.take_along_axis(found, order[..., None], axis=1).astype(np.float32),
        "scores": np.take_along_axis(scores, order, axis=1).astype(np.float32),
        "labels": np.take_along_axis(labels, order, axis=1),
    }
    return answers, truth


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in (("images", 5000), ("boxes", 100), ("objects", 10), ("classes", 10)):
        parser.add_argument(f"--{name}", type=int, default=value)
    wanted = parser.parse_args()
    answers, given = made(wanted.images, wanted.boxes, wanted.objects, wanted.classes)
    found, truth = read_answers(answers, given), read_truth(given)
    count = int((answers["labels"] != NO_OBJECT).sum())
    print(f"{wanted.images:,} images, {count:,} answers, {int(truth.counted.sum()):,} objects")
    began = time.perf_counter(), time.process_time()

    def lap(what: str) -> None:
        nonlocal began
        now = time.perf_counter(), time.process_time()
        wall, cpu = (after - before for before, after in zip(began, now, strict=True))
        print(f"{what:<40} {wall:7.2f} s, {cpu:7.2f} s of a processor")
        began = now

    by_coco = coco.evaluated(found, truth, wanted.classes)
    lap("faster-coco-eval")
    once = np.ones((1, len(truth)), np.int64)
    ours = ap.summary(found, truth, wanted.classes, once)["box_map"][0]
    lap("matching, and the same numbers from it")
    weights = ap.resamples(len(truth), quality.RESAMPLES)
    ap.summary(found, truth, wanted.classes, weights)
    lap(f"matching, and {quality.RESAMPLES} resamples")
    mistakes.counts(found, truth, wanted.classes)
    lap("kinds of error")
    print(f"AP {by_coco.summary[0]:.6f}, by the matching {ours:.6f}")
    whole = quality.evaluate(answers, given, [str(label) for label in range(wanted.classes)])
    lap("all of an evaluation")
    print(f"details of the record: {len(json.dumps(whole.details)) / 1000:.1f} kB")


if __name__ == "__main__":
    main()
