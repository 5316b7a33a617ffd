"""Masks of objects in the pixels of an image, and their overlaps with the true ones.

Masks are compared in the pixels of the network's input, in which the true objects are known; areas
are in those of the original picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from cnnbench.data.annotations import NO_OBJECT
from cnnbench.errors import JobFailed
from cnnbench.tasks.detection.coco import Outlines
from cnnbench.tasks.detection.matching import THRESHOLDS, Bools, Floats, Found, Ints, Near, Truth

Named = Mapping[str, np.ndarray]


def pasted(boxes: npt.ArrayLike, masks: np.ndarray, size: tuple[int, int]) -> Bools:
    """Return masks in the pixels of an image, bool ``(k, height, width)``.

    A pixel belongs to an object if its centre is in the box and the mask, interpolated bilinearly
    there, has a probability of at least 0.5.

    Args:
        boxes: ``(k, 4)``, ``y0 x0 y1 x1`` as fractions of the image, possibly beyond it.
        masks: probabilities ``(k, rows, columns)``; as uint8, 255 is 1.
        size: height and width of the image, px.
    """
    edges = np.asarray(boxes, np.float64).reshape(-1, 4)
    down, right = (
        _weights(edges[:, axis], edges[:, 2 + axis], size[axis], masks.shape[1 + axis])
        for axis in (0, 1)
    )
    found = down @ masks.astype(np.float32) @ right.transpose(0, 2, 1)
    return np.asarray(found >= (0.5 if masks.dtype.kind == "f" else 255 / 2))


def _weights(low: Floats, high: Floats, pixels: int, cells: int) -> npt.NDArray[np.float32]:
    """Return the weight of each cell of a mask at each pixel, ``(k, pixels, cells)``."""
    centres = (np.arange(pixels) + 0.5) / pixels
    extent = np.maximum(high - low, 1e-9)[:, None]
    share = (centres - low[:, None]) / extent
    place = np.clip(share * cells - 0.5, 0, cells - 1)[..., None]
    weights = np.maximum(0.0, 1.0 - np.abs(place - np.arange(cells)))
    is_inside = (share >= 0) & (share <= 1)
    return np.asarray(weights * is_inside[..., None], np.float32)


def encoded(masks: Bools) -> list[Mapping[str, Any]]:
    """Return masks ``(k, h, w)`` run-length encoded, as COCO's code takes them."""
    from faster_coco_eval.core import mask as run_lengths

    if not len(masks):
        return []
    columns = np.asfortranarray(masks.transpose(1, 2, 0).astype(np.uint8))
    return list(run_lengths.encode(columns))


@dataclass(frozen=True)
class Compared:
    """Masks of detections and of true objects.

    Attributes:
        found, truth: with the areas of the masks.
        outlines: their masks.
        near: the detections whose masks overlap one of an object of their class by `THRESHOLDS`.
    """

    found: Found
    truth: Truth
    outlines: Outlines
    near: Near


def compared(found: Found, truth: Truth, answers: Named, targets: Named) -> Compared:
    """Return the masks of detections and of true objects, and the overlaps of both.

    Args:
        found, truth: the detections and the true objects; `matching.read_answers`.
        answers: ``boxes`` ``(n, M, 4)`` and ``masks`` ``(n, M, rows, columns)``; see
            `pasted`.
        targets: ``instances`` ``(n, h, w)`` and ``spans`` ``(n, 2)``; `annotations.Objects`.

    Raises:
        JobFailed: a mask is not finite.
    """
    if not np.isfinite(answers["masks"]).all():
        raise JobFailed("its masks are not finite")
    instances = targets["instances"]
    height, width = instances.shape[1:]
    scale = np.asarray(targets["spans"], np.float64).prod(axis=1) / (height * width)
    ends = np.searchsorted(found.images, np.arange(len(truth) + 1))
    assert found.columns is not None
    of_found: list[Mapping[str, Any]] = []
    of_objects: list[Mapping[str, Any]] = []
    found_areas, areas = np.zeros(len(found.images)), np.zeros(truth.labels.shape)
    pairs: list[tuple[Ints, Ints, Floats]] = []
    for image in range(len(truth)):
        ours = slice(ends[image], ends[image + 1])
        columns = found.columns[ours]
        masks = pasted(
            answers["boxes"][image, columns], answers["masks"][image, columns], (height, width)
        )
        (rows,) = np.nonzero(truth.labels[image] != NO_OBJECT)
        objects = instances[image][None] == (rows + 1)[:, None, None]
        of_found += encoded(masks)
        of_objects += encoded(objects)
        overlap, sizes, true_sizes = _overlaps(masks, objects, truth.crowd[image, rows])
        found_areas[ours], areas[image, rows] = sizes * scale[image], true_sizes * scale[image]
        is_same = found.labels[ours][:, None] == truth.labels[image, rows]
        at, which = np.nonzero(is_same & (overlap >= THRESHOLDS[0]))
        pairs.append((at + ours.start, rows[which], overlap[at, which]))
    return Compared(
        replace(found, areas=found_areas),
        replace(truth, areas=areas),
        Outlines((height, width), of_found, of_objects),
        Near.of_pairs(pairs),
    )


def overlap_of(ours: Named, theirs: Named, size: tuple[int, int]) -> Floats:
    """Return the IoU of each mask of an image with each of another answer to it, ``(k, m)``.

    Args:
        ours, theirs: ``boxes`` and ``masks``, as `pasted` takes them.
        size: height and width of the image, px.
    """
    first, second = (pasted(one["boxes"], one["masks"], size) for one in (ours, theirs))
    return _overlaps(first, second, np.zeros(len(second), np.bool_))[0]


def _overlaps(masks: Bools, objects: Bools, crowd: Bools) -> tuple[Floats, Floats, Floats]:
    """Return the IoU of every pair, ``(k, m)``, as COCO's code computes it, and both areas in px.

    With a crowd it is the share of the mask in it.
    """
    pixels = masks.shape[1] * masks.shape[2]
    flat = [one.reshape(-1, pixels).astype(np.float32) for one in (masks, objects)]
    common = (flat[0] @ flat[1].T).astype(np.float64)  # whole numbers, exact
    sizes, true_sizes = (one.sum(axis=1, dtype=np.float64) for one in flat)
    whole = np.where(crowd, sizes[:, None], sizes[:, None] + true_sizes - common)
    overlap = np.divide(common, whole, out=np.zeros_like(common), where=whole > 0)
    return overlap, sizes, true_sizes


def named(answers: Named, others: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the answers without some of them."""
    return {name: one for name, one in answers.items() if name not in others}
