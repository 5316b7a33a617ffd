"""Masks with outline and legend on pictures: their pixels."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from cnnbench.data.drawing import COLOURS, MaskMark, drawn
from tests.data.test_drawing import is_colour, pixels

PICTURE = Image.new("RGB", (40, 30), (200, 100, 0))


def rectangle(top: int, left: int, bottom: int, right: int) -> np.ndarray:
    mask = np.zeros((30, 40), bool)
    mask[top:bottom, left:right] = True
    return mask


def test_a_mask_is_outlined_on_its_own_outermost_pixels() -> None:
    mask, inner = rectangle(5, 7, 15, 30), rectangle(6, 8, 14, 29)
    found = pixels(drawn(PICTURE, [MaskMark(mask, "", 3)]))
    assert np.array_equal(is_colour(found, COLOURS[3]), mask & ~inner)
    mixed = 0.6 * np.array((200, 100, 0)) + 0.4 * np.array(COLOURS[3])
    assert np.abs(found[inner] - mixed).max() <= 1
    assert is_colour(found[~mask], (200, 100, 0)).all()


def test_a_mask_that_leaves_the_picture_has_no_outline_along_its_edge() -> None:
    found = is_colour(
        pixels(drawn(PICTURE, [MaskMark(rectangle(0, 0, 10, 40), "", 1)])), COLOURS[1]
    )
    assert found[9].all() and not found[:9].any()


def test_the_legend_lists_masks_from_the_top_of_the_picture() -> None:
    picture = Image.new("L", (100, 80), 60)
    masks = [np.zeros((80, 100), bool) for _ in range(3)]
    for number, mask in enumerate(masks):
        mask[60:75, 20 * number + 10 : 20 * number + 25] = True
    marks = [
        MaskMark(mask, name, n) for n, (mask, name) in enumerate(zip(masks, "abc", strict=True))
    ]
    found = pixels(drawn(picture, marks))
    tops = [np.flatnonzero(is_colour(found[:50], COLOURS[n]).any(axis=1))[0] for n in range(3)]
    assert tops[0] == 0 and tops == sorted(set(tops))


def test_with_a_box_the_label_is_at_the_box() -> None:
    mask = np.zeros((100, 100), bool)
    mask[60:80, 60:80] = True
    marks = [MaskMark(mask, "bag", 2, (0.5, 0.5, 0.9, 0.9))]
    found = is_colour(pixels(drawn(Image.new("L", (100, 100), 60), marks)), COLOURS[2])
    assert found[45, 50:60].any() and not found[:30].any()
    assert found[50, 50:90].all()


def test_a_mask_outside_the_picture_leaves_it_as_it_is() -> None:
    found = pixels(drawn(PICTURE, [MaskMark(None, "bag", 1), MaskMark(None, "", 1, (0, 0, 1, 1))]))
    assert is_colour(found, (200, 100, 0)).all()


def test_rejects_a_mask_of_another_size() -> None:
    with pytest.raises(ValueError, match=r"a mask of \(4, 5\) px on a picture of \(5, 4\) px"):
        drawn(Image.new("L", (4, 5)), [MaskMark(np.ones((4, 5), bool), "", 0)])
