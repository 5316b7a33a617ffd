"""Labelled images that are read on demand: what every data set returns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from cnnbench.data.annotations import Objects

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]
Size = int | tuple[int, int]
"""Size of the images read, in px: the side of a square, or ``(height, width)``."""

Fit = Literal["crop", "stretch", "letterbox"]
"""How a picture of another shape is brought to a size: the largest central part of that shape, the
whole picture stretched, or the whole picture with grey beside it."""

_CHUNK = 2048  # images resized at once
_MOST_PROBLEMS = 200  # unusable files listed in a record


def sides(size: Size) -> tuple[int, int]:
    """Return ``(height, width)``."""
    return (size, size) if isinstance(size, int) else size


class Pictures(Protocol):
    """Labelled images at their original sizes."""

    @property
    def labels(self) -> Labels:
        """Class of each image, ``(n,)``."""

    def read(self, indices: Labels, size: Size, channels: int) -> Images:
        """Return some of the images as ``(len(indices), height, width, channels)``, 0..255.

        The aspect ratio is kept: the largest central part with that of ``size`` is resized.
        """


@runtime_checkable
class AnnotatedPictures(Pictures, Protocol):
    """Images with objects. ``labels`` are those of the largest object of each image.

    The label is `annotations.NO_OBJECT` for an image without objects.
    """

    def read_annotated(
        self, indices: Labels, size: Size, channels: int, fit: Fit
    ) -> tuple[Images, Objects]:
        """Return some of the images, as `read` does, with the objects in them.

        Boxes, masks and image are fitted alike; an object of which nothing is left is left out.
        """


@runtime_checkable
class SizedPictures(Pictures, Protocol):
    """Images whose original sizes are known."""

    def sizes(self, indices: Labels) -> npt.NDArray[np.int64]:
        """Return height and width of some of the images, upright, ``(len(indices), 2)``."""


@dataclass(frozen=True)
class Splits:
    """A data set before its images are read.

    Attributes:
        classes: their names, by label.
        train, test, validation: the images of each split.
        problems: files that could not be used, one line each.
        notes: remarks for the reader of a result, a line each.
        has_own_test: the test split is an official one, not drawn here.
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
    """Images in memory with their annotations, one per image.

    Attributes:
        images: uint8 ``(n, height, width, channels)``, or the features that a backbone computed
            from them, float32 ``(n, d)``.
        labels: class of each image, ``(n,)``.
        objects: the objects in each image; None if only the classes of images are known.
    """

    images: npt.NDArray[Any]
    labels: Labels
    objects: Objects | None = None

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class LoadedData:
    """A data set at one size, ready for training.

    Attributes:
        classes: their names, by label.
        train: for training.
        test: for the reported metrics; nothing else reads it.
        validation: for evaluation between epochs, or None.
        problems: files that could not be used, one line each.
        notes: remarks for the reader of a result, a line each.
    """

    classes: tuple[str, ...]
    train: Part
    test: Part
    validation: Part | None = None
    problems: Sequence[str] = ()
    notes: Sequence[str] = ()


def data_details(data: LoadedData | Splits, notes: Iterable[str] = ()) -> dict[str, Any]:
    """Return a record's details on the images: unusable files, and remarks including ``notes``."""
    return {
        "problems": list(data.problems)[:_MOST_PROBLEMS],
        "n_problems": len(data.problems),
        "notes": [*data.notes, *notes],
    }


class ArrayPictures:
    """Images in one uint8 array ``(n, h, w, c)`` with 1 or 3 channels."""

    def __init__(self, images: Images, labels: Labels) -> None:
        self._images = images
        self.labels = labels

    def read(self, indices: Labels, size: Size, channels: int) -> Images:
        out = np.empty((len(indices), *sides(size), channels), np.uint8)
        for start in range(0, len(indices), _CHUNK):
            rows = slice(start, start + _CHUNK)
            out[rows] = fit_arrays(self._images[indices[rows]], size, channels)
        return out

    def sizes(self, indices: Labels) -> npt.NDArray[np.int64]:
        return np.tile(np.array(self._images.shape[1:3], np.int64), (len(indices), 1))


def fit_arrays(images: Any, size: Size, channels: int) -> Images:
    """Crop images ``(n, h, w, c)`` to the aspect ratio of ``size``, resize and adapt channels.

    Resizing is bilinear, with antialiasing if the images shrink.
    """
    import tensorflow as tf

    height, width = sides(size)
    scale = min(images.shape[1] / height, images.shape[2] / width)
    cut = max(1, round(scale * height)), max(1, round(scale * width))
    top, left = ((whole - part) // 2 for whole, part in zip(images.shape[1:3], cut, strict=True))
    images = images[:, top : top + cut[0], left : left + cut[1]]
    if channels == 1 and images.shape[3] == 3:
        images = tf.image.rgb_to_grayscale(images)
    if cut != (height, width):
        resized = tf.image.resize(images, (height, width), antialias=height < cut[0])
        images = tf.cast(tf.round(tf.clip_by_value(resized, 0.0, 255.0)), tf.uint8)
    if channels == 3 and images.shape[3] == 1:
        images = tf.repeat(images, 3, axis=3)
    return np.asarray(images)
