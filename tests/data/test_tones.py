"""Pictures of more than 8 bits and pictures with transparent parts become what a viewer shows."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cnnbench.data import tones
from cnnbench.data.folder import pictures as folder
from cnnbench.data.photographs import decoded, tones_of

RAMP = np.repeat(np.arange(256, dtype=np.uint16)[None], 256, axis=0)


def encoded(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_deep_pictures_are_scaled_by_the_depth_that_they_use(
    bits: int, kind: str, channels: int
) -> None:
    deep = (RAMP.astype(np.int64) * (2**bits - 1) // 255).astype(np.uint16)
    expected = decoded(encoded(Image.fromarray(RAMP.astype(np.uint8))), 64, 64, channels)
    found = decoded(encoded(Image.fromarray(deep), kind), 64, 64, channels)
    assert np.abs(found.astype(int) - expected).max() <= 1


def test_integers_of_32_bits_and_floats_up_to_one_have_a_range_and_others_none() -> None:
    expected = decoded(encoded(Image.fromarray(RAMP.astype(np.uint8))), 64, 64, 3)
    for values in (RAMP.astype(np.int32) * 4095 // 255, (RAMP / 255).astype(np.float32)):
        found = decoded(encoded(Image.fromarray(values), "TIFF"), 64, 64, 3)
        assert np.abs(found.astype(int) - expected).max() <= 1
    for values, words in (
        (RAMP.astype(np.float32), "floating-point values outside"),
        (RAMP.astype(np.int32) - 5, "negative values"),
    ):
        with pytest.raises(ValueError, match=words):
            decoded(encoded(Image.fromarray(values), "TIFF"), 64, 64, 3)


def test_white_is_the_most_of_the_usual_depth_that_holds_the_brightest() -> None:
    assert [
        tones.white_level([most]) for most in (1, 255, 256, 1024, 4095, 4096, 65_535, 65_536)
    ] == [
        *(255, 255, 1023, 4095, 4095, 16_383, 65_535, 131_071),
    ]
    assert tones.white_level([0, 700, 3000]) == 4095


def test_in_a_data_set_dark_pictures_stay_darker_than_bright_ones(tmp_path: Path) -> None:
    for name, level in (("dark", 400), ("bright", 4000)):
        for number in range(5):
            place = tmp_path / "cells" / name / f"{number}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((8, 8), level + number, np.uint16)).save(place)
    splits = folder.load("cells", [tmp_path])
    assert splits.classes == ("bright", "dark")
    levels = [int(splits.test.read(np.array([i]), 8, 1).mean()) for i in (0, 1)]
    # 4000 to 4004 of 4095 are 249 of 255; 400 to 404 are 24 or 25.
    assert levels[0] == 249
    assert levels[1] in (24, 25)
    assert splits.notes == (
        "10 of 10 pictures have more than 8 bits: read as 12 bits, since their largest value "
        "is 4004",
    )


def test_colours_of_16_bits_that_use_12_are_not_black() -> None:
    import tensorflow as tf

    colours = np.stack([RAMP * 16] * 3, axis=-1)
    source = tf.io.encode_png(colours).numpy()
    assert tones_of(source).brightest == 15 * 257
    found = decoded(source, 64, 64, 3)
    assert found.max() >= 238  # of its upper eight bits there are 16 levels
    full = tf.io.encode_png(np.stack([RAMP * 257] * 3, axis=-1)).numpy()
    plain = encoded(Image.fromarray(RAMP.astype(np.uint8)))
    assert np.array_equal(decoded(full, 64, 64, 3), decoded(plain, 64, 64, 3))


def drawing(mode: str) -> Image.Image:
    """A black square in the middle of a ground that is transparent and black."""
    picture = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
    picture.paste((0, 0, 0, 255), (4, 4, 12, 12))
    if mode == "P":
        palette = Image.new("P", (16, 16), 0)
        palette.putpalette([0, 0, 0, 0, 0, 0])
        palette.paste(1, (4, 4, 12, 12))
        return palette
    return picture.convert(mode)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("mode", "kind"), [("RGBA", "PNG"), ("LA", "PNG"), ("P", "PNG"), ("P", "GIF"), ("RGBA", "TIFF")]
)
def test_transparent_parts_are_white(mode: str, kind: str, channels: int) -> None:
    options = {"transparency": 0} if mode == "P" else {}
    source = encoded(drawing(mode), kind, **options)
    assert tones_of(source).is_transparent
    found = decoded(source, 16, 16, channels)
    expected = np.full((16, 16, channels), 255)
    expected[4:12, 4:12] = 0
    assert np.array_equal(found, expected)


def test_ink_that_is_half_transparent_is_grey_and_an_opaque_alpha_changes_nothing() -> None:
    half = encoded(Image.new("RGBA", (8, 8), (0, 0, 0, 128)))
    assert (decoded(half, 8, 8, 3) == 127).all()
    opaque = encoded(Image.new("RGBA", (8, 8), (10, 20, 30, 255)))
    assert not tones_of(opaque).is_transparent
    assert (decoded(opaque, 8, 8, 3) == [10, 20, 30]).all()
