"""The interface of what a network predicts for an image: printed, as JSON, and drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from cnnbench.data.drawing import AnyMark
    from cnnbench.data.fitting import Placement


class Prediction(Protocol):
    """One thing that a network predicts for one image: a class, a box with a class."""

    def __str__(self) -> str:
        """Return a line for people: ``75.0 %  dress``."""

    def cells(self) -> Mapping[str, str]:
        """Return heading -> cell of a table for people."""

    def to_json(self) -> Mapping[str, Any]:
        """Return field -> JSON value."""

    def placed(self, placement: Placement) -> Prediction:
        """Return the same prediction about the picture that was fitted to the network's input.

        `Task.decode` gives places as fractions of that input. A prediction about the whole image
        stays as it is.
        """
        return self

    def mark(self, number: int) -> AnyMark | None:
        """Return what to draw into the picture, in colour ``number``; None if it has no place."""
        return None


def in_pixels(box: Sequence[float], picture: tuple[int, int]) -> list[float]:
    """Return a box, fractions of a picture, in its px, to a tenth: top, left, bottom, right."""
    return [round(place * size, 1) for place, size in zip(box, picture * 2, strict=True)]


def edges_text(box: Sequence[float], picture: tuple[int, int] | None) -> str:
    """Return a box in px of the picture, or in per cent of an image whose size is unknown."""
    unit, scale = ("%", (100, 100)) if picture is None else ("px", picture)
    names = ("top", "left", "bottom", "right")
    edges = zip(names, box, scale * 2, strict=True)
    return ", ".join(f"{side} {place * size:.0f}" for side, place, size in edges) + f" {unit}"


def box_json(box: Sequence[float], picture: tuple[int, int] | None) -> dict[str, Sequence[float]]:
    """Return the box as fractions, and in px where the size of the picture is known."""
    found: dict[str, Sequence[float]] = {"box": list(box)}
    return found | {"box_px": in_pixels(box, picture)} if picture else found


def box_in_picture(
    box: tuple[float, float, float, float], placement: Placement
) -> tuple[float, float, float, float]:
    """Return a box of the network's input as fractions of the original picture, clipped to it."""
    top, left, bottom, right = placement.back([box])[0].clip(0.0, 1.0).tolist()
    return top, left, bottom, right
