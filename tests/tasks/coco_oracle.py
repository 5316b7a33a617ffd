"""COCO's numbers by pycocotools, the reference implementation, and made detections."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from cnnbench.data.annotations import NO_OBJECT

Named = dict[str, np.ndarray]


class _Evaluation(COCOeval):
    """Ignores what is marked as difficult; by itself pycocotools knows crowds only."""

    def _prepare(self) -> None:
        super()._prepare()
        for objects in self._gts.values():
            for one in objects:
                one["ignore"] = one["ignore"] or one["difficult"]


def oracle(answers: Named, truth: Named, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the twelve numbers of pycocotools, and its precision ``(10, 101, classes)``."""
    shared: dict[str, Any] = {
        "images": [{"id": image} for image in range(len(truth["labels"]))],
        "categories": [{"id": label} for label in range(classes)],
    }
    objects, detections = COCO(), COCO()
    objects.dataset = shared | {"annotations": list(_entries(truth, truth["spans"], truth))}
    detections.dataset = shared | {"annotations": list(_entries(answers, truth["spans"], {}))}
    with contextlib.redirect_stdout(io.StringIO()):
        objects.createIndex()
        detections.createIndex()
        found = _Evaluation(objects, detections, "bbox")
        found.evaluate()
        found.accumulate()
        found.summarize()
    return found.stats, found.eval["precision"][..., 0, -1]


def _entries(given: Named, spans: np.ndarray, flags: Named) -> Any:
    number = 0
    for image, (labels, boxes) in enumerate(zip(given["labels"], given["boxes"], strict=True)):
        height, width = map(float, spans[image])
        for row, label in enumerate(labels):
            if label == NO_OBJECT:
                continue
            number += 1
            y0, x0, y1, x1 = map(float, boxes[row])
            box = [x0 * width, y0 * height, x1 * width - x0 * width, y1 * height - y0 * height]
            entry = {"id": number, "image_id": image, "category_id": int(label), "bbox": box}
            entry["area"] = box[2] * box[3]
            if "scores" in given:
                entry["score"] = float(given["scores"][image, row])
            else:
                is_crowd = bool(flags["crowd"][image, row]) if "crowd" in flags else False
                is_ignored = bool(flags["ignored"][image, row]) if "ignored" in flags else False
                entry |= {"iscrowd": int(is_crowd), "difficult": int(is_ignored)}
            yield entry


def made(
    seed: int,
    images: int = 40,
    most: int = 30,
    objects: int = 6,
    classes: int = 4,
    flags: bool = True,
    places: int = 1,
) -> tuple[Named, Named]:
    """Return random answers near random objects, and these; every seventh image is empty.

    Args:
        seed: of everything.
        images, most, objects, classes: how many; the answers of an image are at most ``most``.
        flags: some objects are difficult, and some crowds.
        places: decimal places of the scores; with one there are many ties.
    """
    random = np.random.default_rng(seed)
    first = random.random((images, objects, 2)) * 0.7
    last = first + random.random((images, objects, 2)) * 0.28 + 0.02
    boxes = np.concatenate([first, last], axis=-1).astype(np.float32)
    labels = random.integers(0, classes, (images, objects))
    labels[random.random((images, objects)) < 0.3] = NO_OBJECT
    labels[::7] = NO_OBJECT
    ignored = (random.random((images, objects)) < 0.2) & flags
    crowd = ignored & (random.random((images, objects)) < 0.5)
    spans = random.integers(50, 600, (images, 2)).astype(np.float32)
    truth = {"labels": labels, "boxes": boxes, "ignored": ignored, "crowd": crowd, "spans": spans}
    return near(truth, random, most, classes, places), truth


def near(
    truth: Named, random: np.random.Generator, most: int, classes: int, places: int = 1
) -> Named:
    """Return answers beside true boxes, some of them twice and some with another class."""
    images, objects = truth["labels"].shape
    of = random.integers(0, objects, (images, most))
    boxes = np.take_along_axis(truth["boxes"], of[..., None], axis=1)
    boxes = np.clip(boxes + random.normal(0, 0.02, boxes.shape), 0, 1)
    boxes = np.sort(boxes.reshape(images, most, 2, 2), axis=2).reshape(images, most, 4)
    labels = np.take_along_axis(truth["labels"], of, axis=1)
    is_other = (labels == NO_OBJECT) | (random.random(labels.shape) < 0.2)
    labels = np.where(is_other, random.integers(0, classes, labels.shape), labels)
    scores = np.round(random.random((images, most)), places)
    order = np.argsort(-scores, axis=1, kind="stable")
    boxes = np.take_along_axis(boxes, order[..., None], axis=1)
    labels, scores = (np.take_along_axis(one, order, axis=1) for one in (labels, scores))
    labels[np.arange(most) >= random.integers(0, most + 1, images)[:, None]] = NO_OBJECT
    scores[labels == NO_OBJECT] = 0
    return {
        "boxes": boxes.astype(np.float32),
        "scores": scores.astype(np.float32),
        "labels": labels,
    }
