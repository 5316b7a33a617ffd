"""Marks on pictures: the pixels of known boxes, masks and labels."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from PIL import Image

from cnnbench.data.drawing import COLOURS, Colour, Mark, drawn, sheet

GREY = (60, 60, 60)


def pixels(picture: Image.Image) -> np.ndarray:
    assert picture.mode == "RGB"
    return np.asarray(picture).astype(int)


def is_colour(array: np.ndarray, colour: Colour) -> np.ndarray:
    return (array == colour).all(axis=-1)


def test_a_box_is_drawn_on_the_first_and_last_pixels_within_it() -> None:
    # 100 px wide, 50 high: rows 10 to 39, columns 20 to 69.
    found = pixels(drawn(Image.new("L", (100, 50), 60), [Mark("", 2, (0.2, 0.2, 0.8, 0.7))]))
    expected = np.zeros((50, 100), bool)
    expected[10:40, 20:70] = True
    expected[11:39, 21:69] = False
    assert np.array_equal(is_colour(found, COLOURS[2]), expected)
    assert is_colour(found[~expected], GREY).all()


def test_lines_are_thicker_on_large_pictures() -> None:
    found = pixels(drawn(Image.new("L", (1000, 1000), 60), [Mark("", 0, (0.1, 0.1, 0.9, 0.9))]))
    assert is_colour(found[500], COLOURS[0]).sum() == 2 * 5


def test_a_box_that_covers_the_picture_is_drawn_whole() -> None:
    found = is_colour(
        pixels(drawn(Image.new("L", (9, 9)), [Mark("", 1, (0, 0, 1, 1))])), COLOURS[1]
    )
    assert found.sum() == 9 * 9 - 7 * 7


@pytest.mark.parametrize(
    "box", [(-3, -3, 4, 4), (0.5, 0.5, 0.5, 0.5), (0.9, 0.8, 0.1, 0.2), (2, 2, 3, 3)]
)
def test_boxes_beyond_the_picture_without_area_or_reversed_are_drawn(
    box: tuple[float, ...],
) -> None:
    found = pixels(drawn(Image.new("L", (20, 20), 60), [Mark("shirt", 4, box)]))
    assert is_colour(found, COLOURS[4]).any()


def test_a_mask_takes_40_percent_of_its_pixels_and_no_others() -> None:
    mask = np.zeros((30, 40), bool)
    mask[5:10, 7:30] = True
    found = pixels(drawn(Image.new("RGB", (40, 30), (200, 100, 0)), [Mark("", 3, mask=mask)]))
    mixed = 0.6 * np.array((200, 100, 0)) + 0.4 * np.array(COLOURS[3])
    assert np.abs(found[mask] - mixed).max() <= 1
    assert is_colour(found[~mask], (200, 100, 0)).all()


def test_rejects_a_mask_of_another_size() -> None:
    with pytest.raises(ValueError, match=r"a mask of \(4, 5\) px on a picture of \(5, 4\) px"):
        drawn(Image.new("L", (4, 5)), [Mark("", 0, mask=np.ones((4, 5), bool))])


def test_a_label_is_above_its_box_if_there_is_room_and_inside_the_picture_otherwise() -> None:
    picture = Image.new("L", (100, 100), 60)
    above = is_colour(pixels(drawn(picture, [Mark("bag", 1, (0.5, 0.5, 0.9, 0.9))])), COLOURS[1])
    assert above[45, 50:60].any() and not above[:30].any()
    corner = is_colour(pixels(drawn(picture, [Mark("bag", 1, (0, 0.9, 0.4, 1))])), COLOURS[1])
    assert corner[:12, 80:].sum() > 60


def test_labels_of_equal_boxes_do_not_hide_each_other() -> None:
    marks = [Mark("bag", number, (0.3, 0.3, 0.8, 0.8)) for number in range(4)]
    found = pixels(drawn(Image.new("L", (150, 150), 60), marks))
    areas = [is_colour(found, mark.colour).sum() for mark in marks]
    assert min(areas) > 0.5 * max(areas[:3])


def test_a_label_has_text_that_contrasts_with_its_ground() -> None:
    for number, colour in enumerate(COLOURS):
        found = pixels(drawn(Image.new("L", (150, 50), 60), [Mark("Trouser", number)]))
        label = found[:10, :30].reshape(-1, 3)
        ink = label[np.abs(label - colour).sum(axis=1).argmax()]
        assert np.abs(ink.mean() - np.mean(colour)) > 60


def test_text_is_shortened_and_its_control_characters_are_harmless() -> None:
    long = drawn(Image.new("L", (60, 60), 60), [Mark("x" * 5000 + "\n\x1b", 0)])
    assert long.size == (60, 60)
    drawn(Image.new("L", (3, 3)), [Mark("bag 你好", 0, (0, 0, 1, 1))])


def test_the_picture_itself_is_not_changed() -> None:
    picture = Image.new("RGB", (20, 20), GREY)
    drawn(picture, [Mark("bag", 0, (0, 0, 1, 1), np.ones((20, 20), bool))])
    assert is_colour(pixels(picture), GREY).all()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGBA", "P", "CMYK"])
def test_draws_on_pictures_of_every_mode(mode: str) -> None:
    assert drawn(Image.new(mode, (30, 30)), [Mark("a", 0)]).mode == "RGB"


def test_a_sheet_has_pictures_in_rows_with_captions_below() -> None:
    red, blue = (Image.new("RGB", (20, 10), colour) for colour in ("red", "blue"))
    plain = pixels(sheet([red, blue, red], 2))
    assert plain.shape == (2 * 10 + 3 * 6, 2 * 20 + 3 * 6, 3)
    assert is_colour(plain[6:16, 6:26], (255, 0, 0)).all()
    assert is_colour(plain[6:16, 32:52], (0, 0, 255)).all()
    assert is_colour(plain[22:32, 6:26], (255, 0, 0)).all()
    assert is_colour(plain[22:32, 32:52], (255, 255, 255)).all()
    captioned = pixels(sheet([red, blue, red], 2, ["one", "two", "three"]))
    assert captioned.shape[0] > plain.shape[0]
    assert (captioned[16:26, 6:26] < 128).any()


def test_pictures_of_other_sizes_are_centred_in_cells_of_the_largest() -> None:
    small, large = Image.new("L", (10, 10)), Image.new("L", (30, 20))
    found = pixels(sheet([small, large], 5))
    assert found.shape == (20 + 2 * 6, 2 * 30 + 3 * 6, 3)
    black = is_colour(found[:, :39], (0, 0, 0))
    assert black.sum() == 100 and black[11:21, 16:26].all()


def test_rejects_a_sheet_of_no_pictures() -> None:
    with pytest.raises(ValueError, match="0 pictures"):
        sheet([], 4)
    with pytest.raises(ValueError, match="1 pictures with 2 captions"):
        sheet([Image.new("L", (1, 1))], 4, ["a", "b"])


# G. M. Machado, M. M. Oliveira, L. A. F. Fernandes, A Physiologically-based Model for Simulation
# of Color Vision Deficiency, 2009: the complete deficiencies, in linear RGB.
DEFICIENCIES = {
    "protanopia": [
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ],
    "deuteranopia": [
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ],
    "tritanopia": [
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ],
}


def lab(linear: np.ndarray) -> np.ndarray:
    """CIELAB of linear sRGB, D65."""
    to_xyz = np.array(
        [
            (0.4124, 0.3576, 0.1805),
            (0.2126, 0.7152, 0.0722),
            (0.0193, 0.1192, 0.9505),
        ]
    )
    x, y, z = np.cbrt(to_xyz @ np.clip(linear, 0, 1) / (0.9505, 1.0, 1.089))
    return np.array((116 * y - 16, 500 * (x - y), 200 * (y - z)))


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_colours_are_told_apart_without_one_kind_of_cone(deficiency: str) -> None:
    values = np.array(COLOURS) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    seen = [lab(np.array(DEFICIENCIES[deficiency]) @ colour) for colour in linear]
    closest = min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2))
    assert closest > 18  # 2.3 is just noticeable
