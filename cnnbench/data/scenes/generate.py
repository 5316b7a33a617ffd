"""One scene from seed and index: garments of Fashion-MNIST on a noisy ground.

The same scene is made on every processor and with every version of NumPy: random numbers are the
raw output of PCG64, which NumPy guarantees, and pixels follow from integers by integer arithmetic
(Pillow resizes 8-bit pictures so). Increase `VERSION` when a scene changes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from cnnbench.data import fashion_mnist
from cnnbench.data.annotations import NO_OBJECT
from cnnbench.data.pictures import Images, Labels
from cnnbench.data.scenes import Range, Recipe

Split = Literal["train", "test"]
Mask = npt.NDArray[np.bool_]
Records = npt.NDArray[np.void]
Box = tuple[int, int, int, int]
"""Top, left, bottom, right in px; bottom and right are the first beyond."""

VERSION = 1
SEEDS: dict[Split, int] = {"train": 1, "test": 2}
_GRID = 5  # sides of the ground before it is enlarged
_GROUND, _NOISE = 90, 24  # the ground has the values 0..89, and noise adds 0..23
_MASKED_ABOVE = 8  # value of a pixel of the garment itself
BITS = 32  # of a random number
_Resize = Image.Resampling


class Draws:
    """Random integers that follow from a key alone.

    Args:
        key: a few integers; trailing zeros do not matter.
        count: numbers for `bits` that are drawn together, which is faster; more follow.
    """

    def __init__(self, key: Sequence[int], count: int) -> None:
        self._source = np.random.PCG64(key)
        self._count = count
        self._numbers: list[int] = []

    def bits(self) -> int:
        """Return a number below 2³²."""
        if not self._numbers:
            self._numbers = (self._raw(self._count) >> np.uint64(64 - BITS))[::-1].tolist()
        return self._numbers.pop()

    def below(self, limit: int) -> int:
        """Return a number in 0..limit - 1."""
        return self.bits() * limit >> BITS

    def noise(self, shape: tuple[int, ...], limit: int) -> Images:
        """Return numbers in 0..limit - 1 (at most 256), uint8, for every pixel."""
        count = int(np.prod(shape))
        halves = self._raw(-(-count // 4)).astype("<u8", copy=False).view("<u2")[:count]
        scaled = np.multiply(halves, limit, dtype=np.uint32)
        return (scaled >> np.uint32(16)).astype(np.uint8).reshape(shape)

    def _raw(self, count: int) -> npt.NDArray[np.uint64]:
        numbers: npt.NDArray[np.uint64] = self._source.random_raw(count)
        return numbers


class Garments:
    """The pictures of garments that scenes are made of, with a mask each.

    Args:
        images: uint8 ``(n, 28, 28)``.
        labels: ``(n,)``.
    """

    def __init__(self, images: Images, labels: Labels) -> None:
        self.labels: list[int] = labels.tolist()
        self.masks = filled(images > _MASKED_ABOVE)
        self._images = list(map(Image.fromarray, images))
        self._masks = [Image.fromarray(mask) for mask in self.masks.astype(np.uint8) * 255]

    def __len__(self) -> int:
        return len(self.labels)

    def at(self, number: int, side: int) -> tuple[Images, Mask]:
        """Return the picture and the mask of a garment, both ``(side, side)``."""
        size = (side, side)
        image = np.asarray(self._images[number].resize(size, _Resize.BILINEAR))
        return image, np.asarray(self._masks[number].resize(size, _Resize.BILINEAR)) >= 128


@lru_cache(maxsize=2)
def garments_of(split: Split) -> Garments:
    """Return the packaged garments that a split's scenes are made of."""
    images, labels = fashion_mnist.packaged(split)
    return Garments(images[..., 0], labels)


def filled(masks: Mask) -> Mask:
    """Return masks ``(n, h, w)`` with their holes filled: what is not connected to the border."""
    from scipy import ndimage

    within = np.zeros((3, 3, 3), bool)
    within[1] = ndimage.generate_binary_structure(2, 1)  # a mask has no neighbours in others
    holes_filled: Mask = ndimage.binary_fill_holes(masks, within)
    return holes_filled


@lru_cache(maxsize=64)
def _side_bounds(sides: Range) -> tuple[int, ...]:
    """Return, for each side, the share of smaller sides and itself, in 2⁻³², rounded down.

    Sides are log-uniform and rounded to whole px. `Decimal` rounds logarithms correctly, unlike
    the libraries of processors.
    """
    smallest, largest = map(Decimal, sides)
    with localcontext(Context(prec=40)):
        whole = (largest / smallest).ln()
        shares = [
            ((side + Decimal("0.5")) / smallest).ln() / whole if side < largest else Decimal(1)
            for side in map(Decimal, range(sides[0], sides[1] + 1))
        ]
        return tuple(int(share * 2**BITS) for share in shares)


def drawn_side(sides: Range, draws: Draws) -> int:
    """Return a side in px, log-uniform within ``sides``."""
    return sides[0] + bisect_right(_side_bounds(sides), draws.bits())


def ground(px: int, draws: Draws) -> Images:
    """Return a ground ``(px, px)``: a coarse grid, enlarged, and noise. Takes 25 numbers."""
    coarse = np.array([draws.below(_GROUND) for _ in range(_GRID**2)], np.uint8)
    smooth = Image.fromarray(coarse.reshape(_GRID, _GRID)).resize((px, px), _Resize.BICUBIC)
    return np.asarray(smooth) + draws.noise((px, px), _NOISE)


@dataclass
class Drawn:
    """A garment in a scene.

    Attributes:
        label: its class.
        rows, columns: where its square picture is.
        pixels: of its mask.
        visible: of these, how many nothing hides.
    """

    label: int
    rows: slice
    columns: slice
    pixels: int
    visible: int


@dataclass(frozen=True)
class Scene:
    """One scene.

    Attributes:
        image: uint8 ``(px, px)``.
        instances: uint8 ``(px, px)``: the garment visible at a pixel, from 1; 0 is the ground.
        labels: class of each garment.
        boxes: of the visible part of each.
        visible: visible share of each mask.
    """

    image: Images
    instances: npt.NDArray[np.uint8]
    labels: list[int]
    boxes: list[Box]
    visible: list[float]


def scene(recipe: Recipe, garments: Garments, seed: int, index: int) -> Scene:
    """Return the scene with an index; it depends on no other scene."""
    fewest, most = recipe.objects
    px = recipe.px
    draws = Draws((seed, index), _GRID**2 + 1 + 4 * most)
    image = ground(px, draws)
    instances = np.zeros((px, px), np.uint8)
    found: list[Drawn] = []
    for _ in range(fewest + draws.below(most - fewest + 1)):
        number, side = draws.below(len(garments)), drawn_side(recipe.sides, draws)
        top, left = draws.below(px - side + 1), draws.below(px - side + 1)
        place = slice(top, top + side), slice(left, left + side)
        picture, mask = garments.at(number, side)
        under = instances[place]
        hidden = np.bincount(under[mask], minlength=len(found) + 1).tolist()[1:]
        if any(hides_too_much(one, less) for one, less in zip(found, hidden, strict=True)):
            continue
        for one, less in zip(found, hidden, strict=True):
            one.visible -= less
        pixels = int(np.count_nonzero(mask))
        found.append(Drawn(garments.labels[number], *place, pixels, pixels))
        np.copyto(image[place], picture, where=mask)
        np.copyto(under, np.uint8(len(found)), where=mask)
    boxes = [_box(instances, one, number) for number, one in enumerate(found, 1)]
    shares = [one.visible / one.pixels for one in found]
    return Scene(image, instances, [one.label for one in found], boxes, shares)


def hides_too_much(one: Drawn, less: int) -> bool:
    """Return whether under 0.4 of a garment is visible if another hides ``less`` pixels more."""
    return 5 * (one.visible - less) < 2 * one.pixels


def _box(instances: npt.NDArray[np.uint8], one: Drawn, number: int) -> Box:
    """Return the box of the visible part of garment ``number``."""
    top, left, bottom, right = extent(instances[one.rows, one.columns] == number)
    y, x = one.rows.start, one.columns.start
    return top + y, left + x, bottom + y, right + x


def extent(mask: Mask) -> Box:
    """Return the smallest box around the pixels of a mask, of which there is at least one."""
    rows, columns = np.asarray(mask.any(axis=1)), np.asarray(mask.any(axis=0))
    height, width = mask.shape
    return (
        int(rows.argmax()),
        int(columns.argmax()),
        height - int(rows[::-1].argmax()),
        width - int(columns[::-1].argmax()),
    )


def layout(recipe: Recipe) -> np.dtype[np.void]:
    """Return the type of a record of one scene: the attributes of `Scene`, in fixed room.

    Rows that only fill up have the label -1.
    """
    px, most = recipe.px, recipe.objects[1]
    return np.dtype(
        [
            ("image", "u1", (px, px)),
            ("instances", "u1", (px, px)),
            ("labels", "i1", (most,)),
            ("boxes", "<i2", (most, 4)),
            ("visible", "<f4", (most,)),
        ]
    )


def records(recipe: Recipe, split: Split, indices: range) -> Records:
    """Return some of the scenes of a split, a record of `layout` each."""
    garments, seed = garments_of(split), SEEDS[split]
    found = np.zeros(len(indices), layout(recipe))
    found["labels"] = NO_OBJECT
    fields = {name: found[name] for name in found.dtype.names or ()}
    for row, index in enumerate(indices):
        made = scene(recipe, garments, seed, index)
        fields["image"][row] = made.image
        fields["instances"][row] = made.instances
        if count := len(made.labels):
            fields["labels"][row, :count] = made.labels
            fields["boxes"][row, :count] = made.boxes
            fields["visible"][row, :count] = made.visible
    return found
