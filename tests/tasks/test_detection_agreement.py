"""Agreement of two detectors, or of two segmenters of objects, counted by hand."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from cnnbench.data.annotations import NO_OBJECT
from cnnbench.tasks.detection.agreement import agreement
from cnnbench.tasks.instance_segmentation.masks import overlap_of

LEFT, RIGHT, MOST_OF_LEFT = (0, 0, 1, 0.5), (0, 0.5, 1, 1), (0, 0, 1, 0.3)


def answers(*images: list[tuple[int, float, tuple[float, ...]]]) -> dict[str, np.ndarray]:
    """Return the answers for images, each a list of label, score and box, in three rows."""
    rows = [[*image, *[(NO_OBJECT, 0.0, (0, 0, 0, 0))] * (3 - len(image))] for image in images]
    return {
        "labels": np.array([[one[0] for one in row] for row in rows]),
        "scores": np.array([[one[1] for one in row] for row in rows], np.float32),
        "boxes": np.array([[one[2] for one in row] for row in rows], np.float32),
    }


def test_equal_answers_agree_wholly_in_any_order() -> None:
    ours = answers([(1, 0.9, LEFT), (2, 0.8, RIGHT)], [])
    theirs = answers([(2, 0.9, RIGHT), (1, 0.5, LEFT)], [])
    assert agreement(ours, ours) == agreement(ours, theirs) == 1.0


def test_half_the_overlap_and_the_class_decide() -> None:
    ours = answers([(1, 0.9, LEFT), (2, 0.8, RIGHT)], [(1, 0.9, LEFT)])
    theirs = answers([(1, 0.9, MOST_OF_LEFT), (3, 0.8, RIGHT)], [(1, 0.9, RIGHT)])
    # Of six objects, one pair: 0.3 / 0.5 of the left half; another class; another place.
    assert agreement(ours, theirs) == pytest.approx(2 / 6)
    assert agreement(theirs, ours) == pytest.approx(2 / 6)


def test_an_object_is_matched_once() -> None:
    ours = answers([(1, 0.9, LEFT), (1, 0.8, MOST_OF_LEFT)])
    theirs = answers([(1, 0.9, LEFT)])
    assert agreement(ours, theirs) == pytest.approx(2 / 3)


def test_only_what_is_shown_counts() -> None:
    ours = answers([(1, 0.9, LEFT), (2, 0.3, RIGHT)])
    theirs = answers([(1, 0.31, LEFT)])
    assert agreement(ours, theirs) == 1.0
    hidden = answers([(1, 0.2, LEFT)])
    assert agreement(hidden, hidden) is None
    assert agreement(hidden, ours) == 0.0


def test_of_objects_with_masks_the_masks_decide() -> None:
    ours = answers([(1, 0.9, LEFT)])
    full = np.full((1, 3, 4, 4), 255, np.uint8)
    upper = full.copy()
    upper[0, 0, 1:] = 0  # a quarter of the box
    overlap = partial(overlap_of, size=(8, 8))
    assert agreement(ours | {"masks": full}, ours | {"masks": full}, overlap) == 1.0
    assert agreement(ours | {"masks": full}, ours | {"masks": upper}, overlap) == 0.0
