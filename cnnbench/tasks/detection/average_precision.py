"""Average precision on resamples of the images.

A resample is a weight for each image: how often it counts. The matches do not depend on it, so all
resamples use the same matches, and a weight of 1 for each image gives COCO's metrics.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from cnnbench.data.annotations import NO_OBJECT
from cnnbench.tasks.detection.matching import (
    THRESHOLDS,
    Bools,
    Floats,
    Found,
    Ints,
    Near,
    Truth,
    level,
    matched,
    near,
)

RECALLS: Floats = np.linspace(0.0, 1.0, 101)
"""COCO's recall levels."""

ALL = (0.0, 1e10)
AREAS = {
    "": ALL,
    "_small": (0.0, 32.0**2),
    "_medium": (32.0**2, 96.0**2),
    "_large": (96.0**2, ALL[1]),
}
"""COCO's size ranges, areas in px, by the suffix of a metric's name."""

_SEED = 23
_AT_ONCE = 20_000_000  # numbers in memory together


@dataclass(frozen=True)
class Scored:
    """Detections of one class, by descending score, and their status.

    Attributes:
        images: index of the image of each, ``(d,)``.
        is_right: it is matched with an object to be found, ``(thresholds, d)``.
        is_ignored: it is matched with an object that is ignored, ``(thresholds, d)``.
        objects: number of objects of the class to be found in each image, ``(n,)``.
    """

    images: Ints
    is_right: Bools
    is_ignored: Bools
    objects: Ints


def by_class(
    found: Found,
    truth: Truth,
    classes: int,
    thresholds: Floats = THRESHOLDS,
    areas: tuple[float, float] = ALL,
    known: Near | None = None,
) -> Iterator[Scored]:
    """Yield the detections of each class, matched with the true objects.

    Objects outside the size range ``areas`` are ignored, and so are detections outside it that are
    matched with no object. ``known`` is as in `matched`.
    """
    truth = replace(truth, ignored=truth.ignored | _outside(truth.sizes, areas))
    rows = matched(found, truth, thresholds, known)
    is_matched = rows != NO_OBJECT
    is_ignored = ~is_matched & _outside(found.sizes, areas)
    if truth.labels.shape[1]:
        is_ignored |= is_matched & truth.ignored[found.images, rows]
    for label in range(classes):
        (places,) = np.nonzero(found.labels == label)
        # Those that are ignored at every threshold, as most outside the areas, change nothing.
        places = places[~is_ignored[:, places].all(axis=0)]
        places = places[np.argsort(-found.scores[places], kind="stable")]
        yield Scored(
            found.images[places],
            (is_matched & ~is_ignored)[:, places],
            is_ignored[:, places],
            (truth.counted & (truth.labels == label)).sum(axis=1),
        )


def _outside(sizes: Floats, areas: tuple[float, float]) -> Bools:
    return np.asarray((sizes < areas[0]) | (sizes > areas[1]))


def summary(
    found: Found,
    truth: Truth,
    classes: int,
    weights: Ints,
    kind: str = "box",
    known: Near | None = None,
) -> dict[str, Floats]:
    """Return COCO's metrics on resamples of the images, ``(resamples,)`` each.

    Metrics without objects in the test set are omitted; a resample without such objects has NaN.

    Args:
        found, truth, classes: as in `by_class`.
        weights: how often each image counts, ``(resamples, images)``.
        kind: prefix of the metrics' names: of boxes, or of masks.
        known: overlaps of masks, as in `matched`; None for those of the boxes.
    """
    values: dict[str, Floats] = {}
    pairs = known or near(found, truth)
    for ending, areas in AREAS.items():
        scored = list(by_class(found, truth, classes, areas=areas, known=pairs))
        precision = over_classes([weighted(one, weights) for one in scored])
        values[f"{kind}_map{ending}"] = precision.mean(axis=0)
        if areas == ALL:
            for threshold in (50, 75):
                values[f"{kind}_map{threshold}"] = precision[level(threshold / 100)]
            recall = over_classes([recalled(one, weights) for one in scored])
            values[f"{kind}_ar100"] = recall.mean(axis=0)
    return {name: found for name, found in values.items() if not np.isnan(found).all()}


def resamples(images: int, count: int) -> Ints:
    """Return how often each image is drawn in each bootstrap resample, ``(count, images)``.

    They are the same for every network that is evaluated on the same number of images.
    """
    random = np.random.default_rng(_SEED)
    draws = random.integers(0, images, (count, images))
    return np.stack([np.bincount(one, minlength=images) for one in draws])


def weighted(one: Scored, weights: Ints) -> Floats:
    """Return the average precision of a class, ``(thresholds, resamples)``.

    It is NaN in resamples without an object of the class.

    Args:
        one: its detections.
        weights: how often each image counts, ``(resamples, images)``.
    """
    step = max(1, _AT_ONCE // max(1, len(one.images)))
    parts = [weights[start : start + step] for start in range(0, len(weights), step)]
    return np.concatenate([_weighted(one, part) for part in parts], axis=1)


def recalled(one: Scored, weights: Ints) -> Floats:
    """Return the recall of a class, ``(thresholds, resamples)``; see `weighted`."""
    images = len(one.objects)
    right = [np.bincount(one.images[of_level], minlength=images) for of_level in one.is_right]
    hits, objects = np.stack(right) @ weights.T, weights @ one.objects
    return np.divide(hits, objects, out=np.full(hits.shape, np.nan), where=objects > 0)


def _weighted(one: Scored, weights: Ints) -> Floats:
    objects = weights @ one.objects
    known = objects > 0
    result = np.full((len(one.is_right), len(weights)), np.nan)
    result[:, known] = 0.0
    if not known.any() or not len(one.images):
        return result
    weights, objects = weights[known], objects[known]
    of_each = weights.astype(np.int32)[:, one.images]
    seen = np.cumsum(of_each, axis=1, dtype=np.int32)
    needed = _needed(objects)
    for place, (right, ignored) in enumerate(zip(one.is_right, one.is_ignored, strict=True)):
        (at,) = np.nonzero(right)
        if len(at):
            hits = np.cumsum(of_each[:, at], axis=1, dtype=np.int32)
            total = seen[:, at] - _before(of_each, ignored, at)
            result[place, known] = _sampled(hits, total, needed)
    return result


def _before(of_each: np.ndarray, ignored: Bools, at: Ints) -> np.ndarray | int:
    """Return how many detections that are ignored come before each of ``at``."""
    (left_out,) = np.nonzero(ignored)
    if not len(left_out):
        return 0
    counts = np.cumsum(of_each[:, left_out], axis=1, dtype=np.int32)
    counts = np.concatenate([np.zeros_like(counts[:, :1]), counts], axis=1)
    return np.asarray(counts[:, np.searchsorted(left_out, at)])


def _needed(objects: Ints) -> Ints:
    """Return the smallest number of right detections with each recall, ``(resamples, 101)``.

    It is that for which the quotient is as large as the recall in float64, as COCO's code compares.
    """
    of = objects[:, None].astype(np.float64)
    least = np.ceil(RECALLS * of)
    least -= (least - 1) / of >= RECALLS
    least += least / of < RECALLS
    return np.maximum(least, 0).astype(np.int64)


def _sampled(hits: np.ndarray, total: np.ndarray, needed: Ints) -> Floats:
    """Return the mean precision at COCO's recall levels, ``(resamples,)``.

    The precision at a recall is the best at that recall or a larger one.

    Args:
        hits: right detections up to and with each right one, ``(resamples, right)``.
        total: detections that count up to and with each right one, likewise.
        needed: as `_needed` returns it.
    """
    count, right = hits.shape
    precision = np.divide(hits, total, out=np.zeros(hits.shape), where=total > 0)
    best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    best = np.concatenate([best, np.zeros((count, 1))], axis=1)
    apart = (np.arange(count) * (int(needed.max()) + int(hits.max()) + 2))[:, None]
    first = np.searchsorted((hits + apart).ravel(), (needed + apart).ravel()).reshape(needed.shape)
    first -= (np.arange(count) * right)[:, None]
    return np.asarray(np.take_along_axis(best, first, axis=1).mean(axis=1))


def over_classes(of_classes: list[Floats]) -> Floats:
    """Return the mean over the classes that have objects, ``(thresholds, resamples)``; NaN if none.

    Args:
        of_classes: the result of `weighted` for each class.
    """
    all_of_them = np.stack(of_classes)
    known = ~np.isnan(all_of_them)
    count = known.sum(axis=0)
    total = np.where(known, all_of_them, 0.0).sum(axis=0)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
