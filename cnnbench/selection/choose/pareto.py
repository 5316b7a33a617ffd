"""The Pareto front: what nothing else beats in every respect at once."""

from __future__ import annotations

from collections.abc import Sequence


def front(points: Sequence[tuple[float, ...] | None]) -> list[bool]:
    """Which points no other dominates; on every axis smaller is better.

    One point dominates another when it is nowhere worse and somewhere better, so that equal
    points are on the front together. None (a coordinate is unknown) is never on it.
    """
    known = [point for point in points if point is not None]
    return [
        point is not None and not any(_dominates(other, point) for other in known)
        for point in points
    ]


def _dominates(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a != b and all(x <= y for x, y in zip(a, b, strict=True))
