"""Pictures one after another in one file."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from cnnbench import files
from cnnbench.errors import UserError

FORMATS = {".gif": "GIF", ".webp": "WEBP", ".png": "PNG"}
"""Ending -> format, as Pillow names it, of files that can hold several pictures."""

FRAME_MS = 100  # ten frames a second
_LONGEST = 960  # px of the longer side; larger pictures are reduced


def write(frames: Iterable[Image.Image], file: Path) -> None:
    """Write an animation that repeats for ever, in whole or not at all.

    Args:
        frames: at least one picture, all of one size.
        file: in an existing folder; its ending is one of `FORMATS`.

    Raises:
        UserError: the file cannot be written.
    """
    first, *others = map(_reduced, frames)
    encoded = io.BytesIO()
    first.save(
        encoded,
        FORMATS[file.suffix.lower()],
        save_all=True,
        append_images=others,
        duration=FRAME_MS,
        loop=0,
        lossless=True,  # of WebP: thin lines lose their colour otherwise
    )
    try:
        with files.replacing(file) as stream:
            stream.write(encoded.getbuffer())
    except OSError as error:
        raise UserError(f"cannot be written: {error.strerror}", str(file)) from None


def _reduced(frame: Image.Image) -> Image.Image:
    scale = min(1.0, _LONGEST / max(frame.size))
    if scale == 1:
        return frame
    width, height = (max(1, round(scale * side)) for side in frame.size)
    return frame.resize((width, height), Image.Resampling.BILINEAR)
