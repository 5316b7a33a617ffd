"""Anchors of single-shot detectors, as SSD and RetinaNet place them. Light to import."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cnnbench.models.heads.coding import Level, Pair


def default_box_sizes(scale: float, following: float, ratios: Sequence[float]) -> tuple[Pair, ...]:
    """Return the sizes of SSD's default boxes on one feature map (arXiv:1512.02325, sec. 2.2).

    A square with side ``scale``, one with the geometric mean of ``scale`` and ``following``, then a
    wide and a high box for each ratio; as fractions of the image, at most 1.
    """
    mean = math.sqrt(scale * following)
    sizes = [(scale, scale), (mean, mean)]
    for ratio in ratios:
        long, short = scale * math.sqrt(ratio), scale / math.sqrt(ratio)
        sizes += [(short, long), (long, short)]
    return tuple((min(height, 1.0), min(width, 1.0)) for height, width in sizes)


def octave_sizes(side: int, image: Sequence[int]) -> tuple[Pair, ...]:
    """Return the sizes of RetinaNet's nine anchors on one feature map (arXiv:1708.02002, sec. 4).

    Three ratios (height to width 0.5, 1 and 2), each at ``side`` px and one and two thirds of an
    octave above it. As in torchvision the sides of the squares are whole px, rounded down, and half
    of a height or width is rounded to whole px.

    Args:
        side: side of the smallest square, px.
        image: ``(height, width)`` of the network's input, px; the sizes are fractions of it.
    """
    squares = [int(side * 2 ** (third / 3)) for third in range(3)]
    sizes = []
    for ratio in (0.5, 1.0, 2.0):
        for square in squares:
            height = 2 * round(square * math.sqrt(ratio) / 2)
            width = 2 * round(square / math.sqrt(ratio) / 2)
            sizes.append((height / image[0], width / image[1]))
    return tuple(sizes)


def centred_level(cells: Sequence[int], step: Pair, sizes: tuple[Pair, ...]) -> Level:
    """Return anchors at the centres of ``cells`` that are ``step`` high and wide.

    A single row or column is in the middle of the image, regardless of the step.

    Args:
        cells: rows and columns.
        step: height and width of a cell, as fractions of the image.
        sizes: sizes of the anchors at each position.
    """
    down, right = (1.0 if cells[axis] == 1 else step[axis] for axis in (0, 1))
    return Level(cells[0], cells[1], (down, right), (down / 2, right / 2), sizes)


def even_level(cells: Sequence[int], sizes: tuple[Pair, ...]) -> Level:
    """Return anchors at the centres of ``cells``, rows and columns of equal size over the image."""
    return centred_level(cells, (1 / cells[0], 1 / cells[1]), sizes)
