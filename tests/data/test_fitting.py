"""Fitting: a known shape is drawn in a picture and found again in the fitted image."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageOps

from cnnbench.data.fitting import GREY, Placement
from cnnbench.data.photographs import fitted
from cnnbench.data.pictures import Fit

FITS: list[Fit] = ["crop", "stretch", "letterbox"]
SIDES = st.integers(1, 400)


def drawn(size: tuple[int, int], box: tuple[int, int, int, int]) -> Image.Image:
    """Return a dark picture with a bright rectangle at top, left, bottom, right (exclusive)."""
    picture = Image.new("L", (size[1], size[0]), 20)
    top, left, bottom, right = box
    ImageDraw.Draw(picture).rectangle((left, top, right - 1, bottom - 1), fill=250)
    return picture


def found(image: np.ndarray, above: float) -> np.ndarray:
    """Return the extent of the pixels above a value as fractions: top, left, bottom, right."""
    rows, columns = np.nonzero(image > above)
    ends = rows.min(), columns.min(), rows.max() + 1, columns.max() + 1
    return np.array(ends) / np.tile(image.shape, 2)


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("size", [(64, 64), (40, 96), (150, 50), (300, 500)])
def test_a_shape_is_found_again_where_its_box_and_mask_went(
    fit: Fit, size: tuple[int, int]
) -> None:
    height, width = 240, 320
    box = (100, 130, 160, 190)
    placement = Placement.of((height, width), size, fit)
    image = placement.image(drawn((height, width), box), 1)[..., 0]
    mask = np.zeros((height, width), np.uint16)
    mask[box[0] : box[2], box[1] : box[3]] = 700
    fractions = np.array(box) / (height, width, height, width)
    (moved,) = placement.boxes(fractions)
    a_pixel = 1 / np.tile(size, 2)
    assert (np.abs(found(image, 200) - moved) <= 1.5 * a_pixel).all()
    fitted_mask = placement.mask(mask)
    assert fitted_mask.dtype == np.uint16
    assert set(np.unique(fitted_mask)) == {0, 700}
    assert (np.abs(found(fitted_mask, 0) - moved) <= a_pixel).all()
    assert placement.back(moved) == pytest.approx(fractions[None])
    corners = placement.points(fractions.reshape(2, 2)) / size
    assert corners.ravel() == pytest.approx(moved)


def test_letterbox_shows_all_of_the_picture_with_grey_beside_it() -> None:
    placement = Placement.of((50, 100), (80, 80), "letterbox")
    assert placement.target == (20, 0, 60, 80)
    image = placement.image(Image.new("RGB", (100, 50), (10, 20, 30)), 3)
    assert (image[:20] == GREY).all() and (image[60:] == GREY).all()
    assert (image[20:60] == (10, 20, 30)).all()
    assert placement.boxes([[0, 0, 1, 1]]).tolist() == [[0.25, 0.0, 0.75, 1.0]]
    mask = placement.mask(np.ones((50, 100), np.uint8), outside=255)
    assert (mask[:20] == 255).all() and (mask[20:60] == 1).all()


def test_crop_clips_a_box_and_drops_what_is_less_than_a_tenth() -> None:
    placement = Placement.of((100, 200), (50, 50), "crop")  # columns 50 to 150
    boxes = np.array(
        [
            [0.0, 0.20, 1.0, 0.30],  # columns 40 to 60: half is left
            [0.0, 0.00, 1.0, 0.2750],  # columns 0 to 55: 5 of 55 are left
            [0.0, 0.00, 1.0, 0.28],  # columns 0 to 56: 6 of 56 are left
            [0.0, 0.00, 1.0, 0.20],  # nothing is left
            [0.5, 0.5, 0.5, 0.9],  # no area
        ]
    )
    assert placement.boxes(boxes[:1]).tolist() == [[0.0, 0.0, 1.0, pytest.approx(0.1)]]
    assert placement.kept(boxes).tolist() == [True, False, True, False, False]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(32, 32), (31, 47), (96, 20)])
def test_crop_gives_the_bytes_of_pillows_fit(size: tuple[int, int], channels: int) -> None:
    noise = np.random.default_rng(3).integers(0, 256, (61, 87, 3)).astype(np.uint8)
    picture = Image.fromarray(noise)
    assert np.array_equal(fitted(picture, *size, channels), pillows(picture, size, channels))


@given(shape=st.tuples(SIDES, SIDES), size=st.tuples(SIDES, SIDES), seed=st.integers(0, 99))
def test_crop_of_any_picture_gives_the_bytes_of_pillows_fit(
    shape: tuple[int, int], size: tuple[int, int], seed: int
) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)
    picture = Image.fromarray(noise)
    assert np.array_equal(fitted(picture, *size, 1), pillows(picture, size, 1))


def pillows(picture: Image.Image, size: tuple[int, int], channels: int) -> Any:
    colours = picture.convert("RGB" if channels == 3 else "L")
    cut = ImageOps.fit(colours, size[::-1], Image.Resampling.BILINEAR)
    return np.asarray(cut).reshape(*size, channels)


def test_a_picture_decoded_at_a_fraction_of_its_size_is_placed_alike() -> None:
    whole = drawn((960, 1280), (320, 480, 640, 800))
    placement = Placement.of((960, 1280), (60, 60), "crop")
    full, reduced = placement.image(whole, 1), placement.image(whole.reduce(8), 1)
    assert found(full[..., 0], 130) == pytest.approx(found(reduced[..., 0], 130), abs=1 / 60)


@given(picture=st.tuples(SIDES, SIDES), size=st.tuples(SIDES, SIDES), fit=st.sampled_from(FITS))
def test_any_sizes_fit(picture: tuple[int, int], size: tuple[int, int], fit: Fit) -> None:
    placement = Placement.of(picture, size, fit)
    assert placement.image(Image.new("L", picture[::-1], 200), 3).shape == (*size, 3)
    assert placement.mask(np.ones(picture, np.uint8)).shape == size
    boxes = np.array([[0.1, 0.2, 0.7, 0.9], [0.0, 0.0, 1.0, 1.0]])
    assert placement.back(placement._moved(boxes)) == pytest.approx(boxes, abs=1e-9)
    assert ((placement.boxes(boxes) >= 0) & (placement.boxes(boxes) <= 1)).all()


@pytest.mark.parametrize("sizes", [((0, 4), (4, 4)), ((4, 4), (4, 0))])
def test_refuses_a_side_of_no_length(sizes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="cannot be fitted"):
        Placement.of(*sizes, "stretch")


def test_refuses_an_unknown_fit() -> None:
    with pytest.raises(ValueError, match="none of crop, stretch, letterbox"):
        Placement.of((4, 4), (4, 4), "tile")  # type: ignore[arg-type]
