"""Pictures that are files or encoded bytes, each of its own size: decoded by Pillow."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from cnnbench.data.pictures import Images, Labels, Size, sides

_MOST_OF_16_BITS = 65_535
# Large pictures are what cameras make; beyond twice as much Pillow refuses to read one.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
_THREADS = 4  # Pillow lets go of the interpreter while it decodes and resizes


class Photographs:
    """Encoded pictures: paths or bytes."""

    def __init__(self, sources: Sequence[Path | bytes], labels: Labels) -> None:
        self._sources = sources
        self.labels = labels

    def read(self, indices: Labels, size: Size, channels: int) -> Images:
        height, width = sides(size)

        def one(index: int) -> Images:
            return decoded(self._sources[index], height, width, channels)

        out = np.empty((len(indices), height, width, channels), np.uint8)
        with ThreadPoolExecutor(_THREADS) as pool:
            for place, image in enumerate(pool.map(one, indices)):
                out[place] = image
        return out


def decoded(source: Path | bytes, height: int, width: int, channels: int) -> Images:
    """One picture upright, as much of its centre as fits, as ``(height, width, channels)``.

    Nothing is stretched: of the picture, what is beyond the aspect ratio asked for is cut off.
    """
    side = max(height, width)
    with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as picture:
        picture.draft("RGB", (side, side))  # a large JPEG is decoded at a fraction of its size
        return fitted(picture, height, width, channels)


def fitted(picture: Image.Image, height: int, width: int, channels: int) -> Images:
    """`decoded` for a picture that is open already.

    Raises:
        ValueError: its numbers have no range that is known.
    """
    upright = _of_bytes(ImageOps.exif_transpose(picture))
    colours = upright.convert("RGB" if channels == 3 else "L")
    cut = ImageOps.fit(colours, (width, height), Image.Resampling.BILINEAR)
    return np.asarray(cut, np.uint8).reshape(height, width, channels)


def _of_bytes(picture: Image.Image) -> Image.Image:
    """A picture of 16 bits in 8: Pillow's own conversion cuts off what is above 255."""
    if picture.mode == "F":
        raise ValueError("a picture of floating-point numbers, whose range it does not say")
    if not picture.mode.startswith("I"):
        return picture
    values = np.asarray(picture)
    if values.min() < 0 or values.max() > _MOST_OF_16_BITS:
        raise ValueError("a picture of more than 16 bits a pixel")
    return Image.fromarray((values // 257).astype(np.uint8))
