"""Convert an image of any kind to 8 bits without transparency.

A file states how many bits a value has, seldom how many of them are used: a 12-bit camera writes
16-bit files. White is the largest value of the smallest usual depth (8, 10, 12, 14, 16 bits) that
holds the brightest value of *all* images of a set, so that relative brightness is kept.
Transparent parts become white.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

_DEPTHS = (8, 10, 12, 14, 16)
_WHITE = (255, 255, 255, 255)
_UPPER_BYTE = 257  # scale of the upper byte, all that Pillow keeps of 16-bit colours
_MOST_OF_16_BITS = 65_535


@dataclass(frozen=True)
class Tones:
    """Properties of a picture that affect how its set is read.

    Attributes:
        brightest: the largest value of an image of more than 8 bits; 0 for all others.
        is_transparent: some of it is transparent.
    """

    brightest: int = 0
    is_transparent: bool = False


class Picture:
    """An image that was opened and not yet loaded."""

    def __init__(self, opened: Image.Image) -> None:
        self._opened = opened
        # Only the reader of a file that is not loaded yet states the depth; the mode does not.
        tile = " ".join(str(tile[3]) for tile in (getattr(opened, "tile", None) or [])[:1])
        self._colour_is_deep = ";16" in tile and not opened.mode.startswith("I")

    def tones(self) -> Tones:
        """Return the properties of the image.

        Raises:
            ValueError: the range of its values is unknown.
        """
        if self._opened.mode.startswith("I"):
            return Tones(_brightest(np.asarray(self._opened)))
        return Tones(self._brightest_colour(), _is_transparent(self._opened))

    def eight_bits(self, white: int | None = None) -> Image.Image:
        """Return the image upright and without transparency, 8 bits a channel.

        Args:
            white: the value of white if it has more than 8 bits; by default found from the image.

        Raises:
            ValueError: the range of its values is unknown.
        """
        upright = ImageOps.exif_transpose(self._opened)
        if upright.mode == "F" or upright.mode.startswith("I"):
            return Image.fromarray(_scaled(np.asarray(upright), white))
        opaque = _on_white(upright)
        top = white or white_level([self._brightest_colour()])
        if not self._colour_is_deep or top == _MOST_OF_16_BITS:
            return opaque
        channels = np.asarray(opaque, np.int64) * _UPPER_BYTE
        return Image.fromarray(_scaled(channels, top))

    def _brightest_colour(self) -> int:
        if not self._colour_is_deep:
            return 0
        return max(1, int(np.max(self._opened.convert("RGB").getextrema()))) * _UPPER_BYTE


def white_level(brightest: Iterable[int]) -> int:
    """Return the value of white in images of more than 8 bits."""
    most = max(brightest, default=0)
    bits = next((bits for bits in _DEPTHS if most < 2**bits), most.bit_length())
    return int(2**bits - 1)


def notes(found: Sequence[Tones]) -> list[str]:
    """Return remarks on how the images of a set were interpreted."""
    words = []
    deep = [tones.brightest for tones in found if tones.brightest]
    if deep:
        top = white_level(deep)
        words.append(
            f"{len(deep)} of {len(found)} pictures have more than 8 bits: read as "
            f"{top.bit_length()} bits, since their largest value is {max(deep)}"
        )
    if count := sum(tones.is_transparent for tones in found):
        words.append(f"{count} of {len(found)} pictures have transparent parts: shown on white")
    return words


def _scaled(values: np.ndarray, white: int | None) -> np.ndarray:
    if values.dtype.kind == "f":
        if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
            raise ValueError("floating-point values outside 0..1")
        return np.rint(values * 255).astype(np.uint8)
    brightest = _brightest(values)
    top = white or white_level([brightest])
    return np.minimum(values.astype(np.int64) * 255 // top, 255).astype(np.uint8)


def _brightest(values: np.ndarray) -> int:
    if values.min() < 0:
        raise ValueError("negative values, whose range is unknown")
    return max(1, int(values.max()))


def _is_transparent(picture: Image.Image) -> bool:
    if not picture.has_transparency_data:
        return False
    return bool(np.asarray(picture.convert("RGBA").getchannel("A")).min() < 255)


def _on_white(picture: Image.Image) -> Image.Image:
    if not picture.has_transparency_data:
        return picture
    picture = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, _WHITE), picture).convert("RGB")
