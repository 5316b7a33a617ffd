"""Images keep their aspect ratio, and get the channels that the network takes."""

from __future__ import annotations

import numpy as np

from cnnbench.data.pictures import ArrayPictures, fit_arrays


def test_the_centre_is_cut_out_before_resizing() -> None:
    wide = np.zeros((1, 4, 8, 1), np.uint8)
    wide[:, :, 2:6] = 200  # exactly the centred square
    assert (fit_arrays(wide, 4, 1) == 200).all()
    assert (fit_arrays(wide, 9, 1) == 200).all()


def test_of_an_oblong_size_as_much_as_fits_is_cut_out_and_nothing_stretched() -> None:
    square = np.zeros((1, 8, 8, 1), np.uint8)
    square[:, 2:6] = 200  # the middle four rows: eight wide, four high
    assert (fit_arrays(square, (2, 4), 1) == 200).all()
    assert (fit_arrays(square, (8, 16), 1) == 200).all()
    assert fit_arrays(square, (64, 1), 3).shape == (1, 64, 1, 3)
    pictures = ArrayPictures(square, np.zeros(1, np.int64))
    assert pictures.read(np.array([0]), (4, 8), 1).shape == (1, 4, 8, 1)


def test_the_same_size_is_left_untouched() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 1), np.uint8)
    assert np.array_equal(fit_arrays(images, 8, 1), images)


def test_halving_averages() -> None:
    # Antialiased bilinear: of 0 0 200 200 two halves remain, symmetric about the middle.
    row = np.array([0, 0, 200, 200], np.uint8)
    images = np.tile(row, (4, 1))[None, :, :, None]
    left, right = fit_arrays(images, 2, 1)[0, 0, :, 0].tolist()
    assert left + right == 200
    assert left < 50


def test_grey_becomes_three_equal_channels() -> None:
    images = np.full((2, 5, 5, 1), 7, np.uint8)
    out = fit_arrays(images, 5, 3)
    assert out.shape == (2, 5, 5, 3)
    assert (out == 7).all()


def test_colour_becomes_luminance() -> None:
    images = np.zeros((1, 5, 5, 3), np.uint8)
    images[..., 1] = 200
    # ITU-R BT.601: 0.5870 of the green, 0.587 * 200 = 117.4
    assert fit_arrays(images, 5, 1).tolist() == np.full((1, 5, 5, 1), 117).tolist()


def test_read_takes_what_is_asked_for_in_that_order() -> None:
    images = np.arange(6, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 1), np.uint8)
    pictures = ArrayPictures(images, np.arange(6))
    assert pictures.read(np.array([4, 1]), 4, 1)[:, 0, 0, 0].tolist() == [4, 1]
