"""Boxes as arrays: their corners, their overlap, and the best guess without looking.

A box is ``y0 x0 y1 x1`` (top, left, bottom, right), or as networks predict it ``x y w h`` (centre
and size), in fractions of the image.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Boxes = npt.NDArray[np.floating]


def corners(centred: Boxes) -> npt.NDArray[np.float64]:
    """Return ``x y w h`` as ``y0 x0 y1 x1``, ``(n, 4)``, clipped to the image.

    A negative width or height counts as 0.
    """
    x, y, width, height = np.moveaxis(np.asarray(centred, np.float64), -1, 0)
    half_width, half_height = (np.maximum(size, 0) / 2 for size in (width, height))
    found = np.stack([y - half_height, x - half_width, y + half_height, x + half_width], axis=-1)
    return np.clip(found, 0.0, 1.0)


def areas(boxes: Boxes) -> npt.NDArray[np.float64]:
    """Return the area of each box ``y0 x0 y1 x1``, ``(...,)``; of a reversed one 0."""
    sizes = np.maximum(np.asarray(boxes, np.float64)[..., 2:] - boxes[..., :2], 0)
    return np.asarray(sizes[..., 0] * sizes[..., 1])


def iou(some: Boxes, others: Boxes) -> npt.NDArray[np.float64]:
    """Return intersection over union of each pair of boxes ``y0 x0 y1 x1``, ``(...,)``.

    It is 0 where both have no area.
    """
    first = np.maximum(some[..., :2], others[..., :2])
    last = np.minimum(some[..., 2:], others[..., 2:])
    common = areas(np.concatenate([first, last], axis=-1))
    union = areas(some) + areas(others) - common
    return np.divide(common, union, out=np.zeros_like(union), where=union > 0)


def constant(boxes: Boxes) -> npt.NDArray[np.float64]:
    """Return one box, ``(4,)``, that overlaps all ``boxes``, ``(n, 4)``, well.

    Of the median and the mean of each edge, the one with the larger mean IoU.
    """
    edges = np.asarray(boxes, np.float64)
    candidates: list[npt.NDArray[np.float64]] = [
        np.asarray(middle(edges, axis=0)) for middle in (np.median, np.mean)
    ]
    return max(candidates, key=lambda one: float(iou(one[None], edges).mean()))
