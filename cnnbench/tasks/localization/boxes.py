"""Boxes as arrays: their corners, their overlap, and the best constant prediction.

A box is ``y0 x0 y1 x1`` (top, left, bottom, right), or as networks predict it ``x y w h`` (centre
and size), in fractions of the image.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Boxes = npt.NDArray[np.floating]

_AT_ONCE = 5_000  # pairs of boxes
_MULTIPLES = np.arange(5, 31) / 10  # of the median height and width


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
    """Return the one box, ``(4,)``, with about the largest mean IoU with ``boxes``, ``(n, 4)``.

    Its centre is the median of theirs, its height and width are multiples of their medians: if the
    positions vary, a box larger than most overlaps more.
    """
    edges = np.asarray(boxes, np.float64)
    centre = np.median((edges[:, :2] + edges[:, 2:]) / 2, axis=0)
    sizes = np.median(edges[:, 2:] - edges[:, :2], axis=0)
    halves = (
        sizes * np.array([(height, width) for height in _MULTIPLES for width in _MULTIPLES]) / 2
    )
    candidates = np.clip(np.concatenate([centre - halves, centre + halves], axis=1), 0.0, 1.0)
    step = max(1, _AT_ONCE // len(edges))
    parts = (candidates[start : start + step, None] for start in range(0, len(candidates), step))
    means = np.concatenate([iou(part, edges).mean(axis=1) for part in parts])
    return np.asarray(candidates[int(np.argmax(means))])
