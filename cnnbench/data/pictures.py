"""Labelled pictures that are read when wanted: the interface behind which every data set stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]
Size = int | tuple[int, int]
"""Size of the images read, in px: the side of a square, or ``(height, width)``."""


def sides(size: Size) -> tuple[int, int]:
    """``(height, width)``."""
    return (size, size) if isinstance(size, int) else size


class Pictures(Protocol):
    """Labelled pictures at their own sizes."""

    @property
    def labels(self) -> Labels:
        """The class of each picture, ``(n,)``."""

    def read(self, indices: Labels, size: Size, channels: int) -> Images:
        """Some of the pictures as ``(len(indices), height, width, channels)``, 0..255.

        Nothing is stretched: the largest part of the centre that has the shape of ``size`` is cut
        out, then resized.
        """


@dataclass(frozen=True)
class Splits:
    """A data set before anything is read: its pictures and who belongs where.

    ``has_own_test`` says that the test pictures were set apart by whoever made the data set;
    ``notes`` are what a reader of a result must know of it, ``problems`` what could not be used.
    """

    classes: tuple[str, ...]
    train: Pictures
    test: Pictures
    validation: Pictures | None = None
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    has_own_test: bool = True


@dataclass(frozen=True)
class Part:
    """Images in memory and their labels ``(n,)``.

    The images are uint8 ``(n, height, width, channels)``, or what a backbone made of them:
    float32 features ``(n, d)``.
    """

    images: npt.NDArray[Any]
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Dataset:
    """A data set at one size, ready for training.

    Attributes:
        classes: their names, by label.
        train: what is trained on.
        test: what the reported numbers come from, and nothing else looks at.
        validation: what training may look at between epochs, or None.
        problems: pictures that could not be used, a line each.
        notes: what a reader of a result must know of the data set, a line each.
    """

    classes: tuple[str, ...]
    train: Part
    test: Part
    validation: Part | None = None
    problems: Sequence[str] = field(default=())
    notes: Sequence[str] = field(default=())
