"""Polygons and run lengths draw the pixels that they are of, at any size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnbench.data.fitting import Placement
from cnnbench.data.folder.outlines import Polygons, Runs, filled
from cnnbench.data.pictures import Fit
from tests.data.annotated import runs

MASKS = st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(
    lambda size: st.lists(
        st.booleans(), min_size=size[0] * size[1], max_size=size[0] * size[1]
    ).map(lambda px: np.array(px).reshape(size))
)


def compressed(counts: list[int]) -> str:
    """Return run lengths as COCO's text: groups of five bits, differences from the fourth on."""
    text = ""
    for index, count in enumerate(counts):
        value = count - counts[index - 2] if index > 2 else count
        while True:
            group = value & 31
            value >>= 5  # keeps the sign
            is_last = value == (-1 if group & 16 else 0)
            text += chr(48 + group + (0 if is_last else 32))
            if is_last:
                break
    return text


def test_a_polygon_covers_the_pixels_whose_centres_it_holds() -> None:
    square = np.array([[1.0, 2.0], [1.0, 5.0], [4.0, 5.0], [4.0, 2.0]])
    mask = filled(square, (6, 7))
    assert np.argwhere(mask).tolist() == [[y, x] for y in (1, 2, 3) for x in (2, 3, 4)]
    assert filled(square - 0.4, (6, 7))[1:4, 2:5].all()
    triangle = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0]])
    assert filled(triangle, (4, 4)).sum() in (6, 10)  # half of 16, less or more the diagonal
    star = np.array([[0, 0], [8, 8], [0, 8], [8, 0]], float)  # two triangles that meet
    assert filled(star, (8, 8))[4, 1] and not filled(star, (8, 8))[1, 4]
    assert not filled(square + 100, (6, 7)).any()
    assert filled(np.array([[-9.0, -9.0], [-9.0, 99.0], [99.0, 99.0], [99.0, -9.0]]), (6, 7)).all()


def test_a_polygon_with_a_hole_and_two_polygons() -> None:
    ring = [[0, 0], [0, 6], [6, 6], [6, 0], [0, 0], [2, 2], [4, 2], [4, 4], [2, 4], [2, 2]]
    hole = filled(np.array(ring, float), (6, 6))
    assert hole.sum() == 32 and not hole[2:4, 2:4].any()
    squares = [np.array([[y, y], [y, y + 2], [y + 2, y + 2], [y + 2, y]], float) for y in (0, 3)]
    two = Polygons(squares)
    mask = two.drawn(Placement.of((5, 5), (5, 5), "stretch"), (5, 5))
    assert mask.sum() == 8 and two.extent() == (0, 0, 5, 5)


@given(mask=MASKS)
def test_run_lengths_give_the_mask_back(mask: np.ndarray) -> None:
    counts = runs(mask)
    placement = Placement.of(mask.shape, mask.shape, "stretch")
    for written in (counts, compressed(counts)):
        found = Runs.of(written, *mask.shape)
        assert np.array_equal(found.drawn(placement, mask.shape), mask)
        if not mask.any():
            assert found.extent() is None
            continue
        rows, columns = np.nonzero(mask)
        wanted = rows.min(), columns.min(), rows.max() + 1, columns.max() + 1
        assert found.extent() == wanted


@given(
    counts=st.lists(st.integers(0, 2**40), min_size=1, max_size=8),
    height=st.integers(1, 50),
)
def test_compressed_run_lengths_of_any_size_are_read(counts: list[int], height: int) -> None:
    counts[-1] += -sum(counts) % height
    width = sum(counts) // height
    if width:
        found = Runs.of(compressed(counts), height, width)
        assert found.ends.tolist() == np.cumsum(counts).tolist()


@pytest.mark.parametrize("fit", ["crop", "stretch", "letterbox"])
@pytest.mark.parametrize("size", [(20, 20), (13, 40), (90, 50)])
def test_outlines_are_fitted_as_masks_of_the_whole_picture_are(
    fit: Fit, size: tuple[int, int]
) -> None:
    mask = np.zeros((40, 60), bool)
    mask[10:25, 14:38] = True
    placement = Placement.of(mask.shape, size, fit)
    wanted = placement.mask(mask)
    assert np.array_equal(Runs.of(runs(mask), 40, 60).drawn(placement, (40, 60)), wanted)
    square = np.array([[10, 14], [10, 38], [25, 38], [25, 14]], float)
    assert np.array_equal(Polygons([square]).drawn(placement, (40, 60)), wanted)
    half = Polygons([square / (40, 60)])  # as fractions
    assert np.array_equal(half.drawn(placement, (1, 1)), wanted)


@pytest.mark.parametrize(
    ("counts", "problem"),
    [
        ([5, 5], "run lengths of 10 px, not 20"),
        ([5, -5, 20], "not whole numbers"),
        ([5.0, 15], "not whole numbers"),
        ("é", "damaged"),
        ("o", "end too early"),
        ("o" * 30, "damaged"),
    ],
)
def test_damaged_run_lengths_are_refused(counts: list[int] | str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Runs.of(counts, 4, 5)


def test_a_mask_of_no_size_is_refused() -> None:
    for size in ((0, 5), (-3, -4), (2**40, 2**40)):
        with pytest.raises(ValueError, match="a mask of"):
            Runs.of([0], *size)
