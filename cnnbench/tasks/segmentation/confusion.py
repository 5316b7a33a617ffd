"""Counts of pixels by class: one confusion matrix over a data set, and its parts by image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Maps = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Counts:
    """Pixels of each class in each of n images; those with an ignored truth do not count.

    Attributes:
        truth: pixels whose true class it is, ``(n, classes)``.
        predicted: pixels that are predicted as the class, likewise.
        common: pixels of which both are true.
    """

    truth: Ints
    predicted: Ints
    common: Ints

    def __len__(self) -> int:
        return len(self.truth)

    def iou(self, weights: Ints | None = None) -> Floats:
        """Return the IoU of each class over all images; NaN for one in neither of the two.

        Args:
            weights: how often each image counts, ``(resamples, n)``; by default once.

        Returns:
            ``(classes,)``, or ``(resamples, classes)``.
        """
        truth, predicted, common = (
            one.sum(axis=0) if weights is None else weights @ one
            for one in (self.truth, self.predicted, self.common)
        )
        union = truth + predicted - common
        unknown = np.full(union.shape, np.nan)
        return np.divide(common, union, out=unknown, where=union > 0)

    def mean_iou(self, counted: npt.NDArray[np.bool_], weights: Ints | None = None) -> Floats:
        """Return the mean of `iou` over the classes that it is known for; NaN if none.

        Args:
            counted: mask of the classes to average, ``(classes,)``.
            weights: as `iou` takes them.
        """
        found = self.iou(weights)[..., counted]
        known = ~np.isnan(found)
        sums, counts = np.where(known, found, 0.0).sum(axis=-1), known.sum(axis=-1)
        return np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)

    def accuracy(self, weights: Ints | None = None) -> Floats:
        """Return the share of pixels whose class is right; NaN if none counts."""
        right, pixels = (
            one.sum(axis=1).sum() if weights is None else weights @ one.sum(axis=1)
            for one in (self.common, self.truth)
        )
        unknown = np.full(np.shape(pixels), np.nan)
        return np.divide(right, pixels, out=unknown, where=np.asarray(pixels) > 0)


def counted(truth: Maps, predicted: Maps, classes: int) -> tuple[Counts, Ints]:
    """Return the counts by image, and the confusion matrix of all images.

    Args:
        truth: the class of each pixel, ``(n, h, w)``; `IGNORED` where it does not count.
        predicted: likewise; a number that is no class is never right.
        classes: their number.

    Returns:
        The matrix is ``(classes, classes)``, a row for each true class.
    """
    of_images = np.empty((3, len(truth), classes), np.int64)
    whole = np.zeros((classes, classes), np.int64)
    for row, (right, given) in enumerate(zip(truth, predicted, strict=True)):
        cells = _confusion(right, given, classes)
        of_images[:, row] = cells.sum(axis=1), cells[:, :classes].sum(axis=0), np.diagonal(cells)
        whole += cells[:, :classes]
    return Counts(*of_images), whole


def by_class(maps: Maps, classes: int) -> Ints:
    """Return the pixels of each class, ``(classes,)``, from the class of each pixel."""
    return np.bincount(np.minimum(maps, classes).ravel(), minlength=classes + 1)[:classes]


def _confusion(truth: Maps, predicted: Maps, classes: int) -> Ints:
    """Return the confusion matrix of an image; the last column is for what is no class."""
    side = classes + 1
    rows, columns = (np.minimum(one, classes).ravel() for one in (truth, predicted))
    cells = rows.astype(np.int64) * side + columns
    return np.bincount(cells, minlength=side**2).reshape(side, side)[:classes]
