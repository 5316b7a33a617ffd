"""Codings: how the outputs of a detector represent boxes and classes.

A detection head states its coding in a layer of the network, `LAYER`; the task `detection` uses it
to make training targets and to decode outputs. Light to import.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from cnnbench.models.heads import PREFIX

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

LAYER = f"{PREFIX}coding"
"""Name of the `StateCoding` layer that every detector of cnnbench has."""

Pair = tuple[float, float]
"""Vertical and horizontal position, or height and width, as fractions of the image."""


@dataclass(frozen=True)
class GridCoding:
    """A grid of cells; each cell detects the object whose centre lies in it (YOLO v1).

    The network has one output of logits, ``(n, rows, columns, boxes * 5 + classes)``. Each cell has
    five values for each of its boxes: their sigmoids are x and y of the centre relative to the
    cell, the square roots of width and height relative to the image, and the objectness. The other
    values are the classes; their softmax gives the probabilities.

    Attributes:
        rows, columns: size of the grid.
        boxes: number of boxes per cell.
        classes: number of classes.
    """

    rows: int
    columns: int
    boxes: int
    classes: int


@dataclass(frozen=True)
class Level:
    """Anchors on one feature map: one of each size at every position of a grid.

    Attributes:
        rows, columns: size of the grid.
        step: distance between neighbouring positions.
        first: centre of the first position.
        sizes: height and width of each anchor of a position.
    """

    rows: int
    columns: int
    step: Pair
    first: Pair
    sizes: tuple[Pair, ...]


@dataclass(frozen=True)
class AnchorCoding:
    """Boxes relative to anchors (SSD, RetinaNet).

    The network has two outputs for N anchors: ``boxes`` ``(n, N, 4)``, offsets ``y x h w`` from the
    anchor, and ``classes``, logits ``(n, N, classes)``, or ``(n, N, 1 + classes)`` where the first
    is the background. Anchors are ordered by level, row, column and size.

    With anchor ``cy cx h w`` and offsets ``ty tx th tw``, the vertical centre of a box is ``cy + v0
    * ty * h`` and its height ``h * exp(v1 * th)``; x and the width likewise.

    Attributes:
        levels: the anchors of each feature map.
        scores: ``softmax`` over background and classes, or one ``sigmoid`` per class.
        variances: ``(v0, v1)``.
    """

    levels: tuple[Level, ...]
    scores: Literal["softmax", "sigmoid"]
    variances: Pair = (1.0, 1.0)

    def anchors(self) -> npt.NDArray[np.float32]:
        """Return the anchors, ``(N, 4)``: ``cy cx h w``."""
        import numpy as np  # here, so that heads can be listed at once

        return np.concatenate([_of_level(level) for level in self.levels]).astype(np.float32)


Coding = GridCoding | AnchorCoding

_KINDS: Mapping[str, type[Coding]] = {"grid": GridCoding, "anchors": AnchorCoding}


def to_json(coding: Coding) -> dict[str, Any]:
    """Return a coding as JSON values."""
    kind = next(name for name, one in _KINDS.items() if isinstance(coding, one))
    return {"kind": kind, **_plain(coding)}


def of_json(values: Mapping[str, Any]) -> Coding:
    """Return the coding from the values of `to_json`.

    Raises:
        ValueError: they are not a coding.
    """
    found = dict(values)
    try:
        kind = _KINDS[found.pop("kind")]
        if kind is AnchorCoding:
            found["levels"] = tuple(Level(**_pairs(level)) for level in found["levels"])
        return kind(**_pairs(found))
    except (KeyError, TypeError) as error:
        raise ValueError(f"no coding of boxes: {error}") from None


def unwrapped(value: Any) -> Any:
    """Return the values of a layer's attribute, which Keras may wrap, as JSON values."""
    if isinstance(value, Mapping):
        return {str(name): unwrapped(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [unwrapped(one) for one in value]
    return value


def _of_level(level: Level) -> npt.NDArray[np.float64]:
    import numpy as np

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
