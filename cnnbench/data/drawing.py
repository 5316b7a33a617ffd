"""Pictures with marks on them (boxes, names, masks), and sheets of pictures."""

from __future__ import annotations

import io
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy.typing as npt
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from cnnbench import files
from cnnbench.errors import UserError, brief
from cnnbench.text import printable

Colour = tuple[int, int, int]
Pixels = tuple[int, int, int, int]
"""Left, top, right, bottom in px; right and bottom are the first beyond."""

# Ten colours that differ in lightness as well as in hue, for those who do not see all hues. Eight
# are of M. A. Petroff, Accessible Color Sequences for Data Visualization, arXiv:2107.02270; its two
# greys, which do not show on grey pictures, are replaced by those farthest from the others.
COLOURS: tuple[Colour, ...] = (
    (0x3F, 0x90, 0xDA),
    (0xFF, 0xA9, 0x0E),
    (0xBD, 0x1F, 0x01),
    (0xDD, 0xFF, 0x88),
    (0x83, 0x2D, 0xB6),
    (0xA9, 0x6B, 0x59),
    (0xE7, 0x63, 0x00),
    (0xB9, 0xAC, 0x70),
    (0xAA, 0x22, 0x77),
    (0x92, 0xDA, 0xDD),
)
_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)
_OPACITY = 102  # of masks, of 255: 40 %
_LARGE = 200  # px of the shorter side, from which lines are two px or thicker
_SMALLEST_TEXT, _LARGEST_TEXT = 9, 48  # px
_GAP = 6  # px between the pictures of a sheet

_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True, eq=False)
class Mark:
    """One thing to point out in a picture.

    Attributes:
        text: its label; none is drawn if it is empty.
        number: selects its colour; numbers that differ by ten share one.
        box: top, left, bottom, right as fractions of the picture; what lies outside is cut off.
        mask: bool ``(h, w)`` of the picture. Without box and mask, the whole picture is meant.
    """

    text: str
    number: int
    box: Sequence[float] | None = None
    mask: npt.NDArray[Any] | None = None

    @property
    def colour(self) -> Colour:
        return COLOURS[self.number % len(COLOURS)]


@dataclass(frozen=True, eq=False)
class MaskMark:
    """The pixels of a class or of an object, laid over the picture in its colour and outlined.

    Attributes:
        mask: bool ``(h, w)`` of the picture; None where nothing of it is inside the picture, then
            nothing is drawn.
        text: with a box its label; without one a line of the legend, from the top of the picture.
            None is drawn if it is empty.
        number: selects its colour; numbers that differ by ten share one.
        box: top, left, bottom, right as fractions of the picture, drawn as well.
    """

    mask: npt.NDArray[Any] | None
    text: str
    number: int
    box: Sequence[float] | None = None

    @property
    def colour(self) -> Colour:
        return COLOURS[self.number % len(COLOURS)]


AnyMark = Mark | MaskMark


def drawn(picture: Image.Image, marks: Sequence[AnyMark]) -> Image.Image:
    """Return a copy of ``picture``, in RGB, with ``marks``: masks below, labels on top.

    Raises:
        ValueError: a mask is not as large as the picture.
    """
    # The copy, as RGB pictures are not copied by `convert`.
    result = picture.convert("RGB").copy()
    marks = [mark for mark in marks if isinstance(mark, Mark) or mark.mask is not None]
    for mark in marks:
        if mark.mask is not None:
            result.paste(mark.colour, mask=_veil(mark.mask, result.size))
    for mark in marks:
        if isinstance(mark, MaskMark) and mark.mask is not None:
            result.paste(mark.colour, mask=_outline(mark.mask, _line_width(result.size)))
    pen = ImageDraw.Draw(result)
    pen.fontmode = "L"
    places = [_place(mark, result.size) for mark in marks]
    for mark, place in zip(marks, places, strict=True):
        if mark.box is not None:
            left, top, right, bottom = place
            width = _line_width(result.size)
            pen.rectangle((left, top, right - 1, bottom - 1), outline=mark.colour, width=width)
    taken: list[Pixels] = []
    for mark, place in zip(marks, places, strict=True):
        if mark.text:
            taken.append(_label(pen, mark, place, taken, result.size))
    return result


def sheet(
    pictures: Sequence[Image.Image], columns: int, captions: Sequence[str] = ()
) -> Image.Image:
    """Return ``pictures`` in rows on white, each in a cell as large as the largest.

    Args:
        pictures: at least one.
        columns: pictures in a row.
        captions: one line below each picture, shortened to its cell; none by default.

    Raises:
        ValueError: no pictures, or another number of captions.
    """
    if not pictures or (captions and len(captions) != len(pictures)):
        raise ValueError(f"{len(pictures)} pictures with {len(captions)} captions")
    columns = min(columns, len(pictures))
    width = max(picture.width for picture in pictures)
    height = max(picture.height for picture in pictures)
    font = _font(_text_size((width, height)))
    below = _line_height(font) if captions else 0
    rows = -(-len(pictures) // columns)
    size = columns * (width + _GAP) + _GAP, rows * (height + below + _GAP) + _GAP
    result = Image.new("RGB", size, _WHITE)
    pen = ImageDraw.Draw(result)
    for number, picture in enumerate(pictures):
        left = _GAP + number % columns * (width + _GAP)
        top = _GAP + number // columns * (height + below + _GAP)
        place = left + (width - picture.width) // 2, top + (height - picture.height) // 2
        result.paste(picture.convert("RGB"), place)
        if captions:
            text = _shortened(captions[number], font, width)
            pen.text((left, top + height), text, _BLACK, font)
    return result


def write(picture: Image.Image, file: Path, picture_format: str, otherwise: str = "") -> None:
    """Write a picture in whole or not at all.

    Args:
        picture: what to write.
        file: in an existing folder.
        picture_format: as Pillow names it.
        otherwise: what else helps, beside a PNG, where the format cannot hold the picture.

    Raises:
        UserError: the format cannot hold it, or the file cannot be written.
    """
    encoded = io.BytesIO()
    try:
        picture.save(encoded, picture_format)
    except (OSError, ValueError) as error:  # formats have limits of their own
        size = f"{picture.width} x {picture.height} px"
        what = f"{size} cannot be written as {picture_format}: {brief(error)}"
        hint = f"write a .png, or {otherwise}" if otherwise else "write a .png"
        raise UserError(what, str(file), hint) from None
    try:
        with files.replacing(file) as stream:
            stream.write(encoded.getbuffer())
    except OSError as error:
        raise UserError(f"cannot be written: {error.strerror}", str(file)) from None


def _veil(mask: npt.NDArray[Any], size: tuple[int, int]) -> Image.Image:
    if mask.shape != size[::-1]:
        raise ValueError(f"a mask of {mask.shape} px on a picture of {size[::-1]} px")
    return Image.fromarray((mask != 0).astype("uint8") * _OPACITY)


def _outline(mask: npt.NDArray[Any], width: int) -> Image.Image:
    """Return the pixels of a mask that lie within ``width`` px of others of the picture."""
    whole = Image.fromarray((mask != 0).astype("uint8") * 255)
    inner = whole.filter(ImageFilter.MinFilter(2 * width + 1))
    return ImageChops.subtract(whole, inner)


def _place(mark: AnyMark, size: tuple[int, int]) -> Pixels:
    """Return where a mark is, at least one px of the picture."""
    if mark.box is not None:
        top, left, bottom, right = mark.box
        (left, right), (top, bottom) = _extent(left, right, size[0]), _extent(top, bottom, size[1])
        return left, top, right, bottom
    if isinstance(mark, MaskMark) or mark.mask is None:
        return 0, 0, *size
    return _veil(mark.mask, size).getbbox() or (0, 0, *size)


def _extent(first: float, last: float, pixels: int) -> tuple[int, int]:
    """Return the first pixel and the one beyond the last, of a side of ``pixels``."""
    begin, end = (round(min(max(place, 0.0), 1.0) * pixels) for place in sorted((first, last)))
    begin = min(begin, pixels - 1)
    return begin, max(end, begin + 1)


def _label(
    pen: ImageDraw.ImageDraw,
    mark: AnyMark,
    place: Pixels,
    taken: Sequence[Pixels],
    size: tuple[int, int],
) -> Pixels:
    """Draw the label of a mark where it hides no other, if it can; return where it is."""
    font = _font(_text_size(size))
    text = _shortened(mark.text, font, size[0] - 2)
    width, height = round(font.getlength(text)) + 2, _line_height(font)
    left, top, right, bottom = place
    corners = (
        *((left, top - height), (left, bottom), (left, top), (left, bottom - height)),
        *((right - width, top - height), (right - width, bottom), (right - width, top)),
        *((left, top + line * height) for line in range(1, 10)),
    )
    if mark.box is None and (mark.mask is None or isinstance(mark, MaskMark)):
        lines = max(1, size[1] // height)
        corners = tuple((left, line * height) for line in range(lines))
    tried = [_inside(corner, (width, height), size) for corner in corners]
    chosen = min(tried, key=lambda rectangle: sum(_common(rectangle, other) for other in taken))
    pen.rectangle((chosen[0], chosen[1], chosen[2] - 1, chosen[3] - 1), fill=mark.colour)
    pen.text((chosen[0] + 1, chosen[1]), text, _ink(mark.colour), font)
    return chosen


def _inside(corner: tuple[int, int], extent: tuple[int, int], size: tuple[int, int]) -> Pixels:
    """Return a rectangle moved into the picture, its left and top first."""
    left, top = (
        max(0, min(place, whole - part))
        for place, part, whole in zip(corner, extent, size, strict=True)
    )
    return left, top, left + extent[0], top + extent[1]


def _common(one: Pixels, other: Pixels) -> int:
    """Return the pixels that two rectangles share."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(0, width) * max(0, height)


def _line_width(size: tuple[int, int]) -> int:
    shorter = min(size)
    return 1 if shorter < _LARGE else max(2, shorter // 200)


def _text_size(size: tuple[int, int]) -> int:
    return max(_SMALLEST_TEXT, min(_LARGEST_TEXT, min(size) // 24))


@cache
def _font(pixels: int) -> _Font:
    return ImageFont.load_default(pixels)


def _line_height(font: _Font) -> int:
    """Return the height of a line with the letters that reach highest and lowest."""
    return int(font.getbbox("Ápg|")[3]) + 1


def _shortened(text: str, font: _Font, width: int) -> str:
    """Return ``text`` in one line, its end left out where it would be wider than ``width``."""
    line = printable(text)
    if font.getlength(line) <= width:
        return line
    wide = bisect_left(
        range(len(line)), True, key=lambda n: font.getlength(f"{line[:n]}...") > width
    )
    return f"{line[: wide - 1]}..." if wide > 1 else ""


def _ink(ground: Colour) -> Colour:
    """Return black or white, whichever contrasts more; weights of ITU-R BT.601."""
    red, green, blue = ground
    return _BLACK if 299 * red + 587 * green + 114 * blue > 128_000 else _WHITE
