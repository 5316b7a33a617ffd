"""Detections matched with true boxes by COCO's rules, at every IoU threshold at once.

`faster_coco_eval` computes the reported metrics, but does not expose its matches, which resampling
the images needs. The same rules are applied here, to all images together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cnnbench.data.annotations import NO_OBJECT
from cnnbench.errors import JobFailed

Named = Mapping[str, np.ndarray]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

THRESHOLDS: Floats = np.linspace(0.5, 0.95, 10)
"""COCO's IoU thresholds, ``.50:.05:.95``."""

MOST = 100
"""COCO's limit of detections of one class in one image."""

_AT_ONCE = 4_000_000  # pairs of boxes whose overlaps are in memory together


def level(threshold: float) -> int:
    """Return the index of one of `THRESHOLDS`."""
    return int(np.argmin(np.abs(THRESHOLDS - threshold)))


@dataclass(frozen=True)
class Found:
    """Detections of all images, grouped by image, by descending score.

    Attributes:
        images: index of the image, ``(d,)``.
        labels: ``(d,)``.
        scores: ``(d,)``.
        boxes: ``(d, 4)``: left, top, width and height in px of the original picture.
        areas: px of the original picture, ``(d,)``; None for those of the boxes.
        columns: the place of each in the answers for its image, ``(d,)``; None if unknown.
    """

    images: Ints
    labels: Ints
    scores: Floats
    boxes: Floats
    areas: Floats | None = None
    columns: Ints | None = None

    @property
    def sizes(self) -> Floats:
        """The area of each, ``(d,)``."""
        return self.boxes[:, 2] * self.boxes[:, 3] if self.areas is None else self.areas

    def only(self, kept: Bools) -> Found:
        """Return some of the detections, in the same order."""
        known = {name: one for name, one in vars(self).items() if one is not None}
        return Found(**{name: one[kept] for name, one in known.items()})


@dataclass(frozen=True)
class Truth:
    """True objects of n images, k rows per image.

    Attributes:
        labels: ``(n, k)``; `NO_OBJECT` in unused rows.
        boxes: ``(n, k, 4)``, as `Found.boxes`.
        ignored: ``(n, k)``: objects that count neither as right nor as wrong.
        crowd: ``(n, k)``: ignored objects that are crowds, which any number of detections may
            match, by the share of the detection inside the crowd.
        areas: ``(n, k)``, as `Found.areas`.
    """

    labels: Ints
    boxes: Floats
    ignored: Bools
    crowd: Bools
    areas: Floats | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def sizes(self) -> Floats:
        """The area of each, ``(n, k)``."""
        return self.boxes[..., 2] * self.boxes[..., 3] if self.areas is None else self.areas

    @property
    def counted(self) -> Bools:
        """The objects to be found, ``(n, k)``."""
        return (self.labels != NO_OBJECT) & ~self.ignored


def read_truth(truth: Named) -> Truth:
    """Return the true objects of a test set; see `quality.evaluate`."""
    labels = np.asarray(truth["labels"], np.int64)
    ignored = np.asarray(truth.get("ignored", np.zeros(labels.shape, np.bool_)), np.bool_)
    crowd = np.asarray(truth.get("crowd", np.zeros(labels.shape, np.bool_)), np.bool_)
    boxes = _px(truth["boxes"], np.asarray(truth["spans"], np.float64)[:, None])
    return Truth(labels, boxes, ignored | crowd, crowd)


def read_answers(answers: Named, truth: Named) -> Found:
    """Return the detections of a network, at most `MOST` per class and image.

    Boxes are clipped to the network's image.

    Raises:
        JobFailed: a box or a score is not finite.
    """
    labels = np.asarray(answers["labels"], np.int64)
    scores = np.asarray(answers["scores"], np.float64)
    order = np.argsort(np.where(labels == NO_OBJECT, np.inf, -scores), axis=1, kind="stable")
    labels = np.take_along_axis(labels, order, axis=1)
    scores = np.take_along_axis(scores, order, axis=1)
    inside = np.clip(np.asarray(answers["boxes"], np.float64), 0.0, 1.0)  # keeps a NaN
    boxes = np.take_along_axis(inside, order[..., None], axis=1)
    images, ranks = np.nonzero(labels != NO_OBJECT)
    spans = np.asarray(truth["spans"], np.float64)[images]
    found = Found(
        images,
        labels[images, ranks],
        scores[images, ranks],
        _px(boxes[images, ranks], spans),
        columns=order[images, ranks],
    )
    if not (np.isfinite(found.boxes).all() and np.isfinite(found.scores).all()):
        raise JobFailed("its boxes or scores are not finite")
    return found.only(_places(found) < MOST)


def _px(boxes: npt.ArrayLike, spans: Floats) -> Floats:
    """Return ``y0 x0 y1 x1`` in fractions as left, top, width, height in px."""
    edges = np.asarray(boxes, np.float64)
    first, last = edges[..., :2] * spans, edges[..., 2:] * spans
    return np.concatenate([first[..., ::-1], np.maximum(last - first, 0.0)[..., ::-1]], axis=-1)


def _places(found: Found) -> Ints:
    """Return the place of each detection among those of its class in its image, from 0."""
    order = np.lexsort((np.arange(len(found.images)), found.labels, found.images))
    images, labels = found.images[order], found.labels[order]
    is_first = np.ones(len(order), np.bool_)
    is_first[1:] = (images[1:] != images[:-1]) | (labels[1:] != labels[:-1])
    starts = np.maximum.accumulate(np.where(is_first, np.arange(len(order)), 0))
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order)) - starts
    return places


def overlaps(found: Found, truth: Truth) -> Iterator[tuple[slice, Floats]]:
    """Yield, for slices of the detections, the IoU with all objects of their image, ``(m, k)``.

    For a crowd it is the share of the detection inside the crowd; for unused rows it is -1.
    """
    for part in _parts(found, truth):
        images = found.images[part]
        iou = _iou(found.boxes[part][:, None], truth.boxes[images], truth.crowd[images])
        yield part, np.where(truth.labels[images] == NO_OBJECT, -1.0, iou)


def _parts(found: Found, truth: Truth) -> Iterator[slice]:
    step = max(1, _AT_ONCE // max(1, truth.labels.shape[1]))
    for start in range(0, len(found.images), step):
        yield slice(start, start + step)


def _iou(boxes: Floats, objects: Floats, crowd: Bools) -> Floats:
    """Return the overlap of each pair, by the very operations of COCO's code: no digit differs."""
    (x, y, w, h), (left, top, width, height) = (np.moveaxis(one, -1, 0) for one in (boxes, objects))
    across = np.minimum(x + w, left + width) - np.maximum(x, left)
    down = np.minimum(y + h, top + height) - np.maximum(y, top)
    common = np.where((across > 0) & (down > 0), across * down, 0.0)
    own = np.broadcast_to(w * h, common.shape)
    whole = np.where(crowd, own, own + width * height - common)
    return np.divide(common, whole, out=np.zeros_like(common), where=whole > 0)


@dataclass(frozen=True)
class Near:
    """Detections that overlap objects of their class, and those objects, at most c each.

    Attributes:
        places: indices of the detections, ``(m,)``.
        rows: rows of the objects, ``(m, c)``.
        ious: their overlaps, ``(m, c)``; 0 where there are fewer than c.
    """

    places: Ints
    rows: Ints
    ious: Floats

    @classmethod
    def of_pairs(cls, pairs: Sequence[tuple[Ints, Ints, Floats]]) -> Near:
        """Return the pairs of index of a detection, row of an object and overlap, in some parts.

        The indices are ascending.
        """
        if not pairs:
            return cls(np.zeros(0, np.int64), np.zeros((0, 1), np.int64), np.zeros((0, 1)))
        ats, rows, ious = (np.concatenate(values) for values in zip(*pairs, strict=True))
        places, starts, counts = np.unique(ats, return_index=True, return_counts=True)
        columns = np.arange(len(ats)) - np.repeat(starts, counts)
        shape = len(places), int(counts.max(initial=1))
        result = cls(places, np.zeros(shape, np.int64), np.zeros(shape))
        lines = np.repeat(np.arange(len(places)), counts)
        result.rows[lines, columns], result.ious[lines, columns] = rows, ious
        return result


def near(found: Found, truth: Truth, least: float = THRESHOLDS[0]) -> Near:
    """Return the detections that overlap an object of their class by an IoU of ``least``."""
    pairs: list[tuple[Ints, Ints, Floats]] = []
    for part in _parts(found, truth):
        images = found.images[part]
        ats, rows = np.nonzero(truth.labels[images] == found.labels[part][:, None])
        of_image = images[ats], rows
        iou = _iou(found.boxes[part][ats], truth.boxes[of_image], truth.crowd[of_image])
        kept = iou >= least
        pairs.append((ats[kept] + part.start, rows[kept], iou[kept]))
    return Near.of_pairs(pairs)


def matched(
    found: Found, truth: Truth, thresholds: Floats = THRESHOLDS, known: Near | None = None
) -> Ints:
    """Return the row of the object that each detection is matched with, ``(thresholds, d)``.

    `NO_OBJECT` for unmatched detections. By descending score, each detection is matched with the
    unmatched object of its class with the largest IoU, if that reaches the threshold; with an
    ignored object only if there is no other. Any number of detections may match one crowd. Of
    objects with equal IoU the last is used.

    Args:
        found, truth: the detections and the true objects.
        thresholds: IoU thresholds.
        known: the result of `near` for a threshold that is not larger; None to compute it.
    """
    result = np.full((len(thresholds), len(found.images)), NO_OBJECT, np.int64)
    taken = np.zeros((len(thresholds), *truth.labels.shape), np.bool_)
    least = np.minimum(thresholds, 1 - 1e-10)
    pairs = known or near(found, truth, float(least.min()))
    for of_round in _rounds(found.images[pairs.places]):
        at, row, iou = pairs.places[of_round], pairs.rows[of_round], pairs.ious[of_round]
        images = found.images[at][:, None]
        is_open = ~taken[:, images, row] | truth.crowd[images, row]
        may = (iou >= least[:, None, None]) & is_open
        is_ignored = truth.ignored[images, row]
        # An object that counts is better than any that is ignored, whose IoU is at most 1.
        value = np.where(may, iou - 2.0 * is_ignored + 4.0, 0.0)
        best = value.shape[-1] - 1 - np.argmax(value[..., ::-1], axis=-1)
        is_match = np.take_along_axis(value, best[..., None], axis=-1)[..., 0] > 0
        chosen = row[np.arange(len(at)), best]
        result[:, at] = np.where(is_match, chosen, NO_OBJECT)
        at_level, place = np.nonzero(is_match)
        taken[at_level, images[place, 0], chosen[at_level, place]] = True
    return result


def _rounds(images: Ints) -> Iterator[Ints]:
    """Yield the first detection of every image, then the second of every image, and so on."""
    starts = np.flatnonzero(np.diff(images, prepend=-1))
    counts = np.diff(starts, append=len(images))
    for turn in range(int(counts.max(initial=0))):
        yield starts[counts > turn] + turn
