"""The pixels of objects: polygons and COCO's run lengths.

An outline draws itself at the size of the fitted image, so that a mask of the whole picture, which
may have any size, is never made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from cnnbench.data.fitting import Extent, Placement

Mask = npt.NDArray[np.bool_]
Size = tuple[int, int]

_MOST_PIXELS = 2**62


class Outline(Protocol):
    """The pixels of one object."""

    def extent(self) -> Extent | None:
        """Return the smallest box around it, in its own coordinates, or None if it is empty."""

    def drawn(self, placement: Placement, size: Size) -> Mask:
        """Return its pixels in the fitted image, ``(h, w)``.

        Args:
            placement: of its picture.
            size: height and width that its coordinates refer to.
        """


@dataclass(frozen=True, eq=False)
class Polygons:
    """Closed polygons, each filled by the even-odd rule, together one object.

    Attributes:
        rings: ``(k, 2)`` each: y and x.
    """

    rings: Sequence[npt.NDArray[np.float64]]

    def extent(self) -> Extent | None:
        points = np.concatenate(list(self.rings))
        (top, left), (bottom, right) = points.min(axis=0), points.max(axis=0)
        return float(top), float(left), float(bottom), float(right)

    def drawn(self, placement: Placement, size: Size) -> Mask:
        mask = np.zeros(placement.size, np.bool_)
        for ring in self.rings:
            mask |= filled(placement.points(ring / size), placement.size)
        return mask


@dataclass(frozen=True, eq=False)
class Runs:
    """COCO's run lengths: of ground and object in turn, column by column.

    Attributes:
        height: of the mask.
        width: of the mask.
        ends: where each run ends, increasing; the last is ``height * width``.
    """

    height: int
    width: int
    ends: npt.NDArray[np.int64]

    @classmethod
    def of(cls, counts: Sequence[int] | str, height: int, width: int) -> Runs:
        """Return the runs of COCO's ``counts``: a list, or its compressed text.

        Raises:
            ValueError: they are damaged, or not those of a mask of that size.
        """
        if min(height, width) < 1 or height * width > _MOST_PIXELS:
            raise ValueError(f"a mask of {width} x {height} px")
        numbers = _decompressed(counts) if isinstance(counts, str) else list(counts)
        if any(not isinstance(run, int) or isinstance(run, bool) or run < 0 for run in numbers):
            raise ValueError("run lengths that are not whole numbers")
        if (total := sum(numbers)) != height * width:
            raise ValueError(f"run lengths of {total} px, not {height * width}")
        return cls(height, width, np.cumsum(np.array(numbers, np.int64)))

    def extent(self) -> Extent | None:
        starts, ends = self.ends[:-1:2], self.ends[1::2]
        starts, ends = starts[ends > starts], ends[ends > starts]
        if not len(starts):
            return None
        left, right = starts[0] // self.height, (ends[-1] - 1) // self.height + 1
        rows = starts % self.height, (ends - 1) % self.height
        top, bottom = int(rows[0].min()), int(rows[1].max()) + 1
        if (starts // self.height != (ends - 1) // self.height).any():  # one goes on at the top
            top, bottom = 0, self.height
        return float(top), float(left), float(bottom), float(right)

    def drawn(self, placement: Placement, size: Size) -> Mask:
        rows, columns = placement.nearest(self.height, self.width)
        pixels = columns[None, :] * self.height + rows[:, None]
        top, left, bottom, right = placement.target
        mask = np.zeros(placement.size, np.bool_)
        runs = np.searchsorted(self.ends, pixels, side="right")
        mask[top:bottom, left:right] = runs % 2 == 1
        return mask


def filled(points: npt.NDArray[np.float64], size: Size) -> Mask:
    """Return the pixels whose centres are within a closed polygon, by the even-odd rule.

    Args:
        points: ``(k, 2)``: y and x in px.
        size: height and width of the mask.
    """
    height, width = size
    ends = np.roll(points, -1, axis=0)
    upper, lower = (
        np.clip(np.ceil(pick(points[:, 0], ends[:, 0]) - 0.5), 0, height).astype(np.int64)
        for pick in (np.minimum, np.maximum)
    )
    counts = lower - upper  # rows whose centre lines an edge crosses
    edge = np.repeat(np.arange(len(points)), counts)
    row = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + upper[edge]
    (y0, x0), (y1, x1) = points[edge].T, ends[edge].T
    crossing = x0 + (row + 0.5 - y0) * (x1 - x0) / (y1 - y0)
    column = np.clip(np.ceil(crossing - 0.5), 0, width).astype(np.int64)
    toggles = np.zeros((height, width + 1), np.int64)
    np.add.at(toggles, (row, column), 1)
    return np.asarray(np.cumsum(toggles, axis=1)[:, :width] % 2 == 1)


def _decompressed(text: str) -> list[int]:
    """Return run lengths from COCO's compressed form.

    A number is written in groups of five bits, the lowest first, each as a character from ``0``
    on, of which the sixth bit says that more follow; the fifth bit of the last group is the sign.
    From the fourth on, a number is the difference from the last but one before it.
    """
    numbers: list[int] = []
    value = shift = 0
    for character in text:
        group = ord(character) - 48
        if not 0 <= group < 64 or shift > 60:
            raise ValueError("compressed run lengths that are damaged")
        value |= (group & 31) << shift
        shift += 5
        if group & 32:
            continue
        if group & 16:
            value -= 1 << shift
        numbers.append(value + numbers[-2] if len(numbers) > 2 else value)
        value = shift = 0
    if shift:
        raise ValueError("compressed run lengths that end too early")
    return numbers
