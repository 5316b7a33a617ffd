"""Images of various sizes in files or encoded bytes, decoded by Pillow."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from cnnbench.data.fitting import Placement
from cnnbench.data.pictures import Fit, Images, Labels, Size, sides
from cnnbench.data.tones import Picture, Tones

# Cameras make images above the limit of the warning; above twice the limit Pillow raises.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
# EXIF 2.3, tag 274: a viewer turns these pictures by a quarter, so that width and height change
# places.
_ORIENTATION, _TURNED = 0x0112, (5, 6, 7, 8)
_THREADS = 4  # Pillow releases the GIL while it decodes and resizes


class Photographs:
    """Encoded images.

    Args:
        sources: paths or bytes.
        labels: class of each, ``(n,)``.
        white: the value that stands for white in images of more than 8 bits (`tones.white_level`);
            by default it is found for each image.
    """

    def __init__(
        self, sources: Sequence[Path | bytes], labels: Labels, white: int | None = None
    ) -> None:
        self._sources = sources
        self._white = white
        self.labels = labels

    def read(self, indices: Labels, size: Size, channels: int) -> Images:
        height, width = sides(size)

        def one(index: int) -> Images:
            return decoded(self._sources[index], height, width, channels, self._white)

        out = np.empty((len(indices), height, width, channels), np.uint8)
        with ThreadPoolExecutor(_THREADS) as pool:
            for place, image in enumerate(pool.map(one, indices)):
                out[place] = image
        return out

    def sizes(self, indices: Labels) -> npt.NDArray[np.int64]:
        return np.array([size_of(self._sources[index]) for index in indices], np.int64)


def decoded(
    source: Path | bytes, height: int, width: int, channels: int, white: int | None = None
) -> Images:
    """Return the centre of one image, upright, as ``(height, width, channels)``.

    The aspect ratio is kept; what exceeds the requested one is cut off. Transparent parts become
    white; in an image of more than 8 bits, ``white`` is the value of white.

    Raises:
        ValueError: the range of its values is unknown.
    """
    side = max(height, width)
    with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as picture:
        picture.draft("RGB", (side, side))  # a large JPEG is decoded at a fraction of its size
        return fitted(Picture(picture).eight_bits(white), height, width, channels)


def placed(
    source: Path | bytes, shape: tuple[int, ...], fit: Fit, white: int | None = None
) -> tuple[Images, Placement]:
    """Return one picture fitted to ``(height, width, channels)``, and its place in the image.

    Args:
        source: a file, or its bytes.
        shape: of the image.
        fit: how the upright picture is brought to its size.
        white: as in `decoded`.
    """
    height, width, channels = shape
    with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as opened:
        size = _upright_size(opened)
        side = max(height, width)
        opened.draft("RGB", (side, side))  # a large JPEG is decoded at a fraction of its size
        picture = Picture(opened).eight_bits(white)
    shown = Placement.of((picture.height, picture.width), (height, width), fit)
    return shown.image(picture, channels), Placement.of(size, (height, width), fit)


def jpeg(image: Images, quality: int) -> bytes:
    """Return an image ``(h, w, 1 or 3)`` as the bytes of a JPEG file."""
    content = io.BytesIO()
    grey_or_colour = image[..., 0] if image.shape[-1] == 1 else image
    Image.fromarray(grey_or_colour).save(content, "JPEG", quality=quality)
    return content.getvalue()


def size_of(source: Path | bytes) -> tuple[int, int]:
    """Return height and width of a picture, upright, without decoding it."""
    with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as opened:
        return _upright_size(opened)


def _upright_size(opened: Image.Image) -> tuple[int, int]:
    """Return height and width of a picture as a viewer shows it."""
    size = opened.height, opened.width
    return size[::-1] if opened.getexif().get(_ORIENTATION) in _TURNED else size


def tones_of(source: Path | bytes) -> Tones:
    """Return the properties of a picture that affect how its set is read.

    Raises:
        ValueError: the range of its values is unknown.
    """
    with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as picture:
        return Picture(picture).tones()


def fitted(picture: Image.Image, height: int, width: int, channels: int) -> Images:
    """Crop and resize an upright image of 8 bits per channel; see `decoded`."""
    placement = Placement.of((picture.height, picture.width), (height, width), "crop")
    return placement.image(picture, channels)
