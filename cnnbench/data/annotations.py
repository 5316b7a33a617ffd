"""Annotations of images: boxes with classes, masks, identities of objects over time.

A data set states which of `KINDS` it has (`datasets.Facts.annotations`); a task states which it
needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Kind = Literal["class", "boxes", "instances", "semantic", "tracks"]
"""What can be known of an image: one class for the whole; boxes with a class each; the pixels of
every object; the class of every pixel; the identity of every object over a sequence of images."""

NO_OBJECT = -1  # label of a row that only fills up
IGNORED = 255  # class of a pixel that is neither right nor wrong


@dataclass(frozen=True)
class Objects:
    """The objects in n images. Each image has k rows, of which the first ones are its objects.

    Attributes:
        labels: class of each object, int64 ``(n, k)``; `NO_OBJECT` fills up.
        boxes: float32 ``(n, k, 4)``: top, left, bottom, right as fractions of the image (``y0 x0
            y1 x1``); 0 fills up.
        sizes: height and width of each picture before it was fitted, int64 ``(n, 2)``: COCO's
            areas are in its pixels.
        ignored: bool ``(n, k)``: neither right nor wrong (a crowd, ``difficult``).
        instances: uint8 or uint16 ``(n, h, w)``: the object visible at a pixel, counted from 1 in
            the order of the rows; 0 is the ground. None if the pixels of objects are unknown.
        semantic: uint8 ``(n, h, w)``: 0 for the ground, 1 + label, or `IGNORED`. None if unknown;
            `semantic_of` derives it from ``instances``.
        tracks: identity of each object over a sequence, int64 ``(n, k)``; None without sequences.
        crowd: bool ``(n, k)``: those ``ignored`` objects that are crowds, of which a box may cover
            any part (COCO's ``iscrowd``); None if there are none.
        visible: the share of each object that nothing hides, float32 ``(n, k)``; None if unknown.
        spans: height and width of what a whole fitted image stands for, in px of the picture before
            it was fitted, float32 ``(n, 2)``: a box times these has the size of the object there.
            None where it is the picture, ``sizes``.
    """

    labels: npt.NDArray[np.int64]
    boxes: npt.NDArray[np.float32]
    sizes: npt.NDArray[np.int64]
    ignored: npt.NDArray[np.bool_]
    instances: npt.NDArray[Any] | None = None
    semantic: npt.NDArray[np.uint8] | None = None
    tracks: npt.NDArray[np.int64] | None = None
    crowd: npt.NDArray[np.bool_] | None = None
    visible: npt.NDArray[np.float32] | None = None
    spans: npt.NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """The number of objects in each image, ``(n,)``."""
        return np.asarray((self.labels != NO_OBJECT).sum(axis=1), np.int64)

    def spans_or_sizes(self) -> npt.NDArray[np.float32]:
        """Return ``spans``, or the sizes of the pictures, ``(n, 2)``."""
        return self.sizes.astype(np.float32) if self.spans is None else self.spans

    def at(self, indices: npt.NDArray[np.int64]) -> Objects:
        """Return the objects in some of the images."""
        return Objects(**{name: value[indices] for name, value in self.arrays().items()})

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the attributes that are not None, by name."""
        return {name: value for name, value in vars(self).items() if value is not None}

    def largest(self) -> npt.NDArray[np.int64]:
        """Return the row of the largest box of each image, ``(n,)``; ignored ones count last.

        `NO_OBJECT` where there is no object.
        """
        height, width = (self.boxes[..., 2 + axis] - self.boxes[..., axis] for axis in (0, 1))
        areas = np.where(self.labels == NO_OBJECT, -np.inf, height * width - 2.0 * self.ignored)
        areas = np.concatenate([areas, np.full((len(areas), 1), -np.inf)], axis=1)  # k may be 0
        rows = np.asarray(areas.argmax(axis=1), np.int64)
        return np.where(self.counts > 0, rows, NO_OBJECT)


def of_lists(
    labels: Sequence[Sequence[int]],
    boxes: Sequence[npt.ArrayLike],
    sizes: npt.ArrayLike,
    ignored: Sequence[Sequence[bool]] | None = None,
    crowd: Sequence[Sequence[bool]] | None = None,
    **others: npt.NDArray[Any] | None,
) -> Objects:
    """Return the objects of n images from one list an image.

    Args:
        labels: of the objects of each image.
        boxes: ``(count, 4)`` for each image.
        sizes: ``(n, 2)``.
        ignored, crowd: as ``labels``; by default none.
        others: the other attributes of `Objects`, with k rows where they have rows.
    """
    count, most = len(labels), max(map(len, labels), default=0)
    label_rows = np.full((count, most), NO_OBJECT, np.int64)
    box_rows = np.zeros((count, most, 4), np.float32)
    ignored_rows, crowd_rows = np.zeros((2, count, most), np.bool_)
    for row, (of_image, places) in enumerate(zip(labels, boxes, strict=True)):
        label_rows[row, : len(of_image)] = of_image
        box_rows[row, : len(of_image)] = np.reshape(np.asarray(places, np.float32), (-1, 4))
        if ignored is not None:
            ignored_rows[row, : len(of_image)] = ignored[row]
        if crowd is not None:
            crowd_rows[row, : len(of_image)] = crowd[row]
    crowds = crowd_rows if crowd_rows.any() else None
    pixels = np.asarray(sizes, np.int64).reshape(-1, 2)
    return Objects(label_rows, box_rows, pixels, ignored_rows, crowd=crowds, **others)


def semantic_of(labels: npt.NDArray[np.int64], instances: npt.NDArray[Any]) -> Any:
    """Return the class of every pixel, as `Objects.semantic`, from the object at every pixel.

    Args:
        labels: ``(n, k)``.
        instances: ``(n, h, w)``.
    """
    ground = np.zeros((len(labels), 1), np.int64)
    classes = np.concatenate([ground, labels + 1], axis=1).astype(np.uint8)
    found = np.empty(instances.shape, np.uint8)
    for row, numbers in enumerate(instances):  # at once, the indices would take 8 bytes a pixel
        found[row] = classes[row][numbers]
    return found
