"""Codings: how the numbers that a detector returns stand for boxes and classes.

A head of a detector states its coding in a layer of the network, `LAYER`; the task `detection`
makes targets by it and decodes outputs with it. Light to import.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from cnnbench.models.heads import PREFIX

LAYER = f"{PREFIX}coding"
"""Name of the layer, a `StateCoding`, that every detector with a head of cnnbench has."""

Pair = tuple[float, float]
"""Down and right, or height and width, in fractions of the image."""


@dataclass(frozen=True)
class GridCoding:
    """A grid of cells, each of which finds the object whose centre it holds (YOLO v1).

    The network has one output, ``(n, rows, columns, boxes * 5 + classes)``, all logits. Of every
    cell it gives, for each of its boxes, x and y of the centre relative to the cell, the roots of
    width and height relative to the image, and the objectness, whose sigmoids these are; then the
    classes, whose softmax are their probabilities.

    Attributes:
        rows, columns: of the grid.
        boxes: number of boxes of a cell.
        classes: their number.
    """

    rows: int
    columns: int
    boxes: int
    classes: int


@dataclass(frozen=True)
class Level:
    """Anchors over one feature map: at every place of a grid, one of each size.

    Attributes:
        rows, columns: of the grid.
        step: from one place to the next.
        first: centre of the first place.
        sizes: height and width of each anchor of a place.
    """

    rows: int
    columns: int
    step: Pair
    first: Pair
    sizes: tuple[Pair, ...]


@dataclass(frozen=True)
class AnchorCoding:
    """Boxes relative to anchors (SSD, RetinaNet).

    The network has two outputs of N anchors: ``boxes`` ``(n, N, 4)``, offsets ``y x h w`` of the
    anchor, and ``classes``, logits ``(n, N, classes)``, or ``(n, N, 1 + classes)`` where the first
    is the background. Anchors are ordered by level, row, column and size.

    With anchor ``cy cx h w`` and offsets ``ty tx th tw`` the centre of a box is ``cy + v0 * ty *
    h``, its height ``h * exp(v1 * th)``.

    Attributes:
        levels: the anchors.
        scores: ``softmax`` over background and classes, or one ``sigmoid`` a class.
        variances: ``(v0, v1)``.
    """

    levels: tuple[Level, ...]
    scores: Literal["softmax", "sigmoid"]
    variances: Pair = (1.0, 1.0)

    def anchors(self) -> npt.NDArray[np.float32]:
        """Return the anchors, ``(N, 4)``: ``cy cx h w``."""
        return np.concatenate([_of_level(level) for level in self.levels]).astype(np.float32)


Coding = GridCoding | AnchorCoding

_KINDS: Mapping[str, type[Coding]] = {"grid": GridCoding, "anchors": AnchorCoding}


def to_json(coding: Coding) -> dict[str, Any]:
    """Return a coding as JSON values."""
    kind = next(name for name, one in _KINDS.items() if isinstance(coding, one))
    return {"kind": kind, **_plain(coding)}


def of_json(values: Mapping[str, Any]) -> Coding:
    """Return the coding that `to_json` wrote.

    Raises:
        ValueError: it is none.
    """
    found = dict(values)
    try:
        kind = _KINDS[found.pop("kind")]
        if kind is AnchorCoding:
            found["levels"] = tuple(Level(**_pairs(level)) for level in found["levels"])
        return kind(**_pairs(found))
    except (KeyError, TypeError) as error:
        raise ValueError(f"no coding of boxes: {error}") from None


def _of_level(level: Level) -> npt.NDArray[np.float64]:
    down = level.first[0] + level.step[0] * np.arange(level.rows)
    right = level.first[1] + level.step[1] * np.arange(level.columns)
    y, x, size = np.meshgrid(down, right, np.arange(len(level.sizes)), indexing="ij")
    sizes = np.asarray(level.sizes, np.float64)[size.ravel()]
    return np.column_stack([y.ravel(), x.ravel(), sizes])


def _plain(value: Any) -> Any:
    if isinstance(value, GridCoding | AnchorCoding | Level):
        return {name: _plain(one) for name, one in vars(value).items()}
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return value


def _pairs(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _tuples(value) for name, value in values.items()}


def _tuples(value: Any) -> Any:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(_tuples(one) for one in value)
    return value
