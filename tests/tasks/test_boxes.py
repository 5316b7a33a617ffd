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


def test_the_constant_box_of_equal_boxes_is_theirs() -> None:
    small, outlier = (0.4, 0.4, 0.6, 0.6), (0.0, 0.0, 1.0, 1.0)
    assert boxes.constant(np.array([small, small, small, outlier])) == pytest.approx(
        np.array(small)
    )


def test_the_constant_box_is_larger_than_boxes_whose_places_vary() -> None:
    random = np.random.default_rng(0)
    corner = random.uniform(0, 0.8, (500, 2))
    places = np.concatenate([corner, corner + 0.2], axis=1)
    found = boxes.constant(places)
    assert (found[2:] - found[:2] > 0.3).all()

    def score(box: np.ndarray) -> float:
        return float(boxes.iou(box, places).mean())

    # No box of a grid over all is better by more than a hundredth.
    ends = np.linspace(0, 1, 11)
    pairs = [(low, high) for low in ends for high in ends if low < high]
    best = max(score(np.array((a[0], b[0], a[1], b[1]))) for a in pairs for b in pairs)
    assert best - 0.01 < score(found)
    assert score(found) > 1.3 * score(np.median(places, axis=0))
