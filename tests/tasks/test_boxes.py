"""Boxes by hand: corners, overlap, and the best constant box."""

from __future__ import annotations

import numpy as np
import pytest

from cnnbench.tasks.localization import boxes

QUARTER = (0.0, 0.0, 0.5, 0.5)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((0.1, 0.2, 0.5, 0.9), (0.1, 0.2, 0.5, 0.9), 1.0),  # itself
        ((0.0, 0.0, 0.4, 0.4), (0.2, 0.2, 0.6, 0.6), 0.04 / 0.28),
        ((0.0, 0.0, 1.0, 1.0), (0.25, 0.25, 0.75, 0.75), 0.25),  # inside
        (QUARTER, (0.0, 0.5, 0.5, 1.0), 0.0),  # touching at an edge
        (QUARTER, (0.5, 0.5, 1.0, 1.0), 0.0),  # touching at a corner
        (QUARTER, (0.6, 0.6, 1.0, 1.0), 0.0),  # disjoint
        (QUARTER, (0.25, 0.25, 0.25, 0.25), 0.0),  # a point inside
        ((0.3, 0.3, 0.3, 0.3), (0.3, 0.3, 0.3, 0.3), 0.0),  # neither has an area
        (QUARTER, (0.5, 0.5, 0.0, 0.0), 0.0),  # reversed: of negative size
    ],
)
def test_intersection_over_union(one: object, other: object, expected: float) -> None:
    pair = np.array([one], float), np.array([other], float)
    assert boxes.iou(*pair) == pytest.approx([expected])
    assert boxes.iou(*pair[::-1]) == pytest.approx([expected])


def test_iou_is_of_each_pair() -> None:
    some = np.array([QUARTER, QUARTER])
    others = np.array([QUARTER, (0.0, 0.0, 1.0, 1.0)])
    assert boxes.iou(some, others).tolist() == [1.0, 0.25]


@pytest.mark.parametrize(
    ("centred", "expected"),
    [
        ((0.5, 0.4, 0.2, 0.6), (0.1, 0.4, 0.7, 0.6)),
        ((0.9, 0.5, 0.4, 0.2), (0.4, 0.7, 0.6, 1.0)),  # clipped at the right
        ((0.5, 0.5, 3.0, 3.0), (0.0, 0.0, 1.0, 1.0)),
        ((0.5, 0.5, -0.2, 0.2), (0.4, 0.5, 0.6, 0.5)),  # a negative width is 0
        ((1.5, 1.5, 0.2, 0.2), (1.0, 1.0, 1.0, 1.0)),  # outside: of no area
    ],
)
def test_centre_and_size_become_edges_inside_the_image(centred: object, expected: object) -> None:
    found = boxes.corners(np.array([centred]))
    assert found[0] == pytest.approx(np.array(expected))
    assert boxes.areas(found)[0] == pytest.approx(
        (expected[2] - expected[0]) * (expected[3] - expected[1])  # type: ignore[index]
    )


def test_the_constant_box_is_the_median_or_the_mean_whichever_overlaps_more() -> None:
    small, outlier = (0.4, 0.4, 0.6, 0.6), (0.0, 0.0, 1.0, 1.0)
    assert boxes.constant(np.array([small, small, outlier])) == pytest.approx(np.array(small))
    # Of two boxes, the median is the mean.
    pair = np.array([(0.0, 0.0, 0.4, 0.4), (0.2, 0.2, 0.6, 0.6)])
    assert boxes.constant(pair) == pytest.approx(np.array((0.1, 0.1, 0.5, 0.5)))
