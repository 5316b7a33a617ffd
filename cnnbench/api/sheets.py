"""Sheets of pictures: what `show` returns, and how small pictures are laid out on one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

_SHOWN_PX = 224  # about the side of an example in a sheet; smaller images are enlarged
_MOST_COLUMNS = 8


@dataclass(frozen=True)
class Sheet:
    """A picture to look at.

    Attributes:
        picture: what is shown.
        caption: what it is, in one line.
        notes: remarks on how it was made, and files that could not be used.
    """

    picture: Image.Image
    caption: str
    notes: tuple[str, ...] = ()


def enlarged(images: npt.NDArray[np.uint8], most: int = _SHOWN_PX) -> list[Image.Image]:
    """Return pictures of a whole multiple of the size, so that single pixels remain visible.

    Args:
        images: ``(n, h, w)`` or ``(n, h, w, 1 or 3)``.
        most: px of the longer side, unless an image is larger.
    """
    scale = max(1, most // max(images.shape[1:3]))
    if images.ndim == 4 and images.shape[-1] == 1:
        images = images[..., 0]
    pictures = map(Image.fromarray, images)
    nearest = Image.Resampling.NEAREST
    return [one.resize((scale * one.width, scale * one.height), nearest) for one in pictures]


def columns(count: int) -> int:
    """Return the columns of a sheet about as high as wide."""
    return min(_MOST_COLUMNS, next(side for side in range(1, count + 1) if side**2 >= count))


def stretched(values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Return each of n arrays ``(n, ...)`` as bytes, its minimum black and its maximum white."""
    axes = tuple(range(1, values.ndim))
    least = values.min(axis=axes, keepdims=True)
    range_ = values.max(axis=axes, keepdims=True) - least
    shares = np.divide(values - least, range_, out=np.zeros_like(values), where=range_ > 0)
    return np.rint(shares * 255).astype(np.uint8)
