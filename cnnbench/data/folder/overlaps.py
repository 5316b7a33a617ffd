"""Pixels that objects lose where their masks overlap: in a fitted image each belongs to one.

An object is drawn at the scale of its picture, within its own box; one of more than `_MOST` px a
side is sampled.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cnnbench.data.fitting import Placement
from cnnbench.data.folder.examination import AnnotatedPicture

_MOST = 256


@dataclass(frozen=True)
class Loss:
    """Pixels of one object, in px of the picture.

    Attributes:
        own: within its mask.
        lost: of these, within the mask of an object on top of it.
    """

    own: int
    lost: int


def note(pictures: Iterable[AnnotatedPicture]) -> str:
    """Return a remark that counts objects and the pixels they lose; empty if none loses any."""
    found = [loss for picture in pictures for loss in losses(picture)]
    if not found:
        return ""
    lost, own = sum(loss.lost for loss in found), sum(loss.own for loss in found)
    return (
        f"objects that overlap: {len(found)} lose {lost:,} of their {own:,} px to smaller objects "
        "on top of them, as a pixel belongs to one object"
    )


def losses(picture: AnnotatedPicture) -> Iterator[Loss]:
    """Yield what objects with outlines lose, those that lose pixels and are not ignored."""
    order = [row for row in picture.from_below() if picture.outlines[row] is not None]
    extents = {row: _extent(picture, row) for row in order}
    for place, row in enumerate(order):
        above = [other for other in order[place + 1 :] if _meet(extents[row], extents[other])]
        if above and not picture.ignored[row]:
            loss = _loss(picture, row, above, extents[row])
            if loss.lost:
                yield loss


def _loss(
    picture: AnnotatedPicture, row: int, above: list[int], extent: npt.NDArray[np.int64]
) -> Loss:
    top, left, bottom, right = map(int, extent)
    size = min(bottom - top, _MOST), min(right - left, _MOST)
    window = Placement(picture.size, size, (top, left, bottom, right), (0, 0, *size))

    def drawn(one: int) -> npt.NDArray[np.bool_]:
        outline = picture.outlines[one]
        assert outline is not None
        return outline.drawn(window, picture.unit)

    own = drawn(row)
    covered = np.zeros_like(own)
    for one in above:
        covered |= drawn(one)
    scale = (bottom - top) * (right - left) / math.prod(size)
    return Loss(round(own.sum() * scale), round((own & covered).sum() * scale))


def _extent(picture: AnnotatedPicture, row: int) -> npt.NDArray[np.int64]:
    """Return the whole px around an object's outline: top, left, bottom, right."""
    outline = picture.outlines[row]
    found = np.array((outline and outline.extent()) or (0.0, 0.0, 0.0, 0.0))
    pixels = found / np.tile(picture.unit, 2) * np.tile(picture.size, 2)
    rounded = np.concatenate([np.floor(pixels[:2]), np.ceil(pixels[2:])])
    return np.clip(rounded, 0, np.tile(picture.size, 2)).astype(np.int64)


def _meet(one: npt.NDArray[np.int64], other: npt.NDArray[np.int64]) -> bool:
    """Return whether two extents share a pixel."""
    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])
    return bool((low < high).all())
