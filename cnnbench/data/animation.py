"""Pictures one after another in one file, written one at a time: long sequences need no memory.

Pillow encodes the pictures; its own animations hold all of them until the last is known. Of every
picture but the first only the rectangle that has changed is stored.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from PIL import GifImagePlugin, Image, ImageChops

from cnnbench import files
from cnnbench.errors import UserError, brief

FRAME_MS = 100  # ten frames a second
_LONGEST = 960  # px of the longer side; larger pictures are reduced


class _Writer(Protocol):
    """The writer of one format; the animation repeats for ever."""

    even: bool
    """Whether pictures begin at an even row and column."""

    def begin(self, stream: BinaryIO, size: tuple[int, int]) -> None:
        """Write what precedes the pictures; ``size`` is width and height."""

    def add(self, stream: BinaryIO, part: Image.Image, left: int, top: int) -> None:
        """Write a picture, in RGB, that replaces a rectangle of the one before."""

    def end(self, stream: BinaryIO) -> None:
        """Write what follows, and what depends on the number of pictures."""


class _Gif:
    """GIF89a (https://www.w3.org/Graphics/GIF/spec-gif89a.txt), a palette for each picture."""

    even = False

    def begin(self, stream: BinaryIO, size: tuple[int, int]) -> None:
        stream.write(b"GIF89a" + _little(size[0], 2) + _little(size[1], 2) + bytes(3))
        stream.write(b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00")  # repeats for ever

    def add(self, stream: BinaryIO, part: Image.Image, left: int, top: int) -> None:
        few = part.quantize(256)
        settings = {"duration": FRAME_MS, "include_color_table": True}
        stream.writelines(GifImagePlugin.getdata(few, (left, top), **settings))

    def end(self, stream: BinaryIO) -> None:
        stream.write(b";")


class _Png:
    """Animated PNG (https://www.w3.org/TR/png-3/), lossless."""

    even = False

    def __init__(self) -> None:
        self._number = 0  # of the next control chunk or data chunk of a later picture
        self._pictures = 0

    def begin(self, stream: BinaryIO, size: tuple[int, int]) -> None:
        stream.write(b"\x89PNG\r\n\x1a\n")
        # 8 bits, RGB, not interlaced.
        self._chunk(stream, b"IHDR", _big(size[0]) + _big(size[1]) + bytes([8, 2, 0, 0, 0]))
        self._count_at = stream.tell()
        self._chunk(stream, b"acTL", bytes(8))

    def add(self, stream: BinaryIO, part: Image.Image, left: int, top: int) -> None:
        place = b"".join(map(_big, (*part.size, left, top)))
        pace = FRAME_MS.to_bytes(2, "big") + (1000).to_bytes(2, "big") + bytes(2)
        self._chunk(stream, b"fcTL", self._next() + place + pace)
        for data in _png_data(_encoded(part, "PNG")):
            if self._pictures:
                self._chunk(stream, b"fdAT", self._next() + data)
            else:
                self._chunk(stream, b"IDAT", data)
        self._pictures += 1

    def end(self, stream: BinaryIO) -> None:
        self._chunk(stream, b"IEND", b"")
        stream.seek(self._count_at)
        self._chunk(stream, b"acTL", _big(self._pictures) + _big(0))  # 0: for ever

    def _next(self) -> bytes:
        self._number += 1
        return _big(self._number - 1)

    def _chunk(self, stream: BinaryIO, kind: bytes, data: bytes) -> None:
        stream.write(_big(len(data)) + kind + data + _big(zlib.crc32(kind + data)))


class _WebP:
    """WebP (RFC 9649), lossless: thin lines lose their colour otherwise."""

    even = True

    def begin(self, stream: BinaryIO, size: tuple[int, int]) -> None:
        stream.write(b"RIFF" + bytes(4) + b"WEBP")
        self._chunk(stream, b"VP8X", b"\x02" + bytes(3) + self._sides(size))  # 2: animated
        self._chunk(stream, b"ANIM", bytes(6))  # background, and 0 repetitions: for ever

    def add(self, stream: BinaryIO, part: Image.Image, left: int, top: int) -> None:
        place = _little(left // 2, 3) + _little(top // 2, 3) + self._sides(part.size)
        image = _encoded(part, "WEBP", lossless=True)[12:]  # behind the header of its file
        pace = _little(FRAME_MS, 3) + b"\x02"  # replaces, is not blended
        self._chunk(stream, b"ANMF", place + pace + image)

    def end(self, stream: BinaryIO) -> None:
        length = stream.tell()
        stream.seek(4)
        stream.write(_little(length - 8, 4))

    def _sides(self, size: tuple[int, int]) -> bytes:
        return _little(size[0] - 1, 3) + _little(size[1] - 1, 3)

    def _chunk(self, stream: BinaryIO, kind: bytes, data: bytes) -> None:
        stream.write(kind + _little(len(data), 4) + data + bytes(len(data) % 2))


FORMATS: dict[str, type[_Writer]] = {".gif": _Gif, ".webp": _WebP, ".png": _Png}
"""Ending of files that can hold several pictures -> how they are written."""


def write(frames: Iterable[Image.Image], file: Path) -> None:
    """Write an animation that repeats for ever, in whole or not at all.

    Args:
        frames: at least one picture, all of one size; taken one at a time.
        file: in an existing folder; its ending is one of `FORMATS`.

    Raises:
        UserError: the file cannot be written.
    """
    writer = FORMATS[file.suffix.lower()]()
    before: Image.Image | None = None
    try:
        with files.replacing(file) as stream:
            for frame in frames:
                shown = _reduced(frame.convert("RGB"))
                if before is None:
                    writer.begin(stream, shown.size)
                left, top, right, bottom = _changed(before, shown, writer.even)
                writer.add(stream, shown.crop((left, top, right, bottom)), left, top)
                before = shown
            writer.end(stream)
    except OSError as error:
        raise UserError(f"cannot be written: {error.strerror or brief(error)}", str(file)) from None


def _changed(
    before: Image.Image | None, shown: Image.Image, even: bool
) -> tuple[int, int, int, int]:
    """Return the rectangle in which a picture differs from the one before, at least a pixel."""
    if before is None:
        return 0, 0, *shown.size
    found = ImageChops.difference(before, shown).getbbox() or (0, 0, 1, 1)
    left, top, right, bottom = found
    return (left - left % 2, top - top % 2, right, bottom) if even else found


def _png_data(content: bytes) -> Iterator[bytes]:
    """Yield the compressed pixels in a PNG file."""
    at = 8
    while at < len(content):
        length = int.from_bytes(content[at : at + 4], "big")
        if content[at + 4 : at + 8] == b"IDAT":
            yield content[at + 8 : at + 8 + length]
        at += length + 12


def _encoded(picture: Image.Image, form: str, **settings: bool) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, form, **settings)
    return stream.getvalue()


def _big(number: int) -> bytes:
    return number.to_bytes(4, "big")


def _little(number: int, count: int) -> bytes:
    return number.to_bytes(count, "little")


def _reduced(frame: Image.Image) -> Image.Image:
    scale = min(1.0, _LONGEST / max(frame.size))
    if scale == 1:
        return frame
    width, height = (max(1, round(scale * side)) for side in frame.size)
    return frame.resize((width, height), Image.Resampling.BILINEAR)
