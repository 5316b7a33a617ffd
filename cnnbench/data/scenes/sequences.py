"""Sequences: garments that move over a ground, hide each other and keep their identity."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

import numpy as np

from cnnbench.data.annotations import Objects
from cnnbench.data.pictures import Images
from cnnbench.data.scenes import Recipe
from cnnbench.data.scenes.generate import BITS, Draws, Garments, drawn_side, extent, ground

FRAMES = 60
RECIPE = Recipe(objects=(3, 6), px=112, sides=(22, 40))
_SLOWEST, _FASTEST = 8, 25  # tenths of a px a frame, in frames of 112 px
_NOISE = 6  # at most, either way, a pixel a frame
_SEQUENCE = 1  # tells the random numbers of a sequence from those of a scene
_POINT = 16  # binary digits after the point of a place or a velocity, in px


@dataclass(frozen=True)
class AxisMotion:
    """The way of a garment along one axis, in 2⁻¹⁶ px.

    Attributes:
        start: its first place, in 0..room.
        velocity: the change from frame to frame, before it is reflected.
        room: the largest place.
    """

    start: int
    velocity: int
    room: int

    def at(self, frame: int) -> int:
        """Return the place in a frame, in px: reflected at both ends, rounded."""
        if not self.room:
            return 0
        way = (self.start + self.velocity * frame) % (2 * self.room)
        return (min(way, 2 * self.room - way) + (1 << _POINT >> 1)) >> _POINT


@dataclass(frozen=True)
class Moving:
    """A garment on its way.

    Attributes:
        number: of the garment in `Garments`.
        side: of its square picture, in px.
        down, along: the ways of the upper and of the left edge of that picture.
    """

    number: int
    side: int
    down: AxisMotion
    along: AxisMotion


def make(
    seed: int, index: int, garments: Garments, recipe: Recipe = RECIPE, frames: int = FRAMES
) -> tuple[Images, Objects]:
    """Return the sequence with an index: its frames, uint8 ``(frames, px, px)``, and the garments.

    The garments are the rows of the objects in every frame; later ones hide earlier ones. Boxes are
    those of whole garments, `Objects.visible` says how much of each is to be seen, and
    `Objects.tracks` are numbers from 0.

    Args:
        seed: `generate.SEEDS` has those of training and test.
        index: of the sequence; it depends on no other.
        garments: that it is made of (`generate.garments_of`).
        recipe: how many garments, their sides, and the size of the frames.
        frames: their number.
    """
    draws = Draws((seed, index, _SEQUENCE), 64)
    still = ground(recipe.px, draws)
    fewest, most = recipe.objects
    count = fewest + draws.below(most - fewest + 1)
    moving = [_drawn(recipe, garments, draws) for _ in range(count)]
    images, objects = filmed(still, moving, garments, frames)
    noise = draws.noise(images.shape, 2 * _NOISE + 1).astype(np.int16) - _NOISE
    return np.clip(images + noise, 0, 255).astype(np.uint8), objects


def filmed(
    still: Images, moving: list[Moving], garments: Garments, frames: int
) -> tuple[Images, Objects]:
    """Return frames without noise, and the garments in them.

    Args:
        still: the ground, ``(px, px)``.
        moving: garments in the order in which they are drawn.
        garments: that ``moving`` refers to.
        frames: their number.
    """
    px, count = len(still), len(moving)
    images = np.repeat(still[None], frames, axis=0)
    instances = np.zeros((frames, px, px), np.uint8)
    boxes = np.zeros((frames, count, 4), np.int64)
    pixels = np.zeros(count, np.int64)
    for row, one in enumerate(moving):
        picture, mask = garments.at(one.number, one.side)
        box = np.array(extent(mask))
        pixels[row] = np.count_nonzero(mask)
        for frame in range(frames):
            top, left = one.down.at(frame), one.along.at(frame)
            place = slice(top, top + one.side), slice(left, left + one.side)
            np.copyto(images[frame][place], picture, where=mask)
            np.copyto(instances[frame][place], np.uint8(row + 1), where=mask)
            boxes[frame, row] = box + np.array((top, left, top, left))
    seen = np.stack([np.bincount(one.ravel(), minlength=count + 1)[1:] for one in instances])
    objects = Objects(
        labels=np.tile([garments.labels[one.number] for one in moving], (frames, 1)),
        boxes=boxes.astype(np.float32) / np.float32(px),
        sizes=np.full((frames, 2), px, np.int64),
        ignored=np.zeros((frames, count), np.bool_),
        instances=instances,
        tracks=np.tile(np.arange(count), (frames, 1)),
        visible=(seen / pixels).astype(np.float32),
    )
    return images, objects


def _drawn(recipe: Recipe, garments: Garments, draws: Draws) -> Moving:
    number, side = draws.below(len(garments)), drawn_side(recipe.sides, draws)
    room = recipe.px - side << _POINT
    start = draws.below(room + 1), draws.below(room + 1)
    velocity = _velocity(recipe.px, draws)
    down, along = (AxisMotion(*way, room) for way in zip(start, velocity, strict=True))
    return Moving(number, side, down, along)


def _velocity(px: int, draws: Draws) -> tuple[int, int]:
    """Return a velocity of uniform speed and direction, in 2⁻¹⁶ px a frame."""
    tenths = (_SLOWEST << BITS) + (_FASTEST - _SLOWEST) * draws.bits()
    speed = (tenths * px << _POINT) // (10 * RECIPE.px << BITS)
    while True:  # a point in a square, until it is in the circle: its direction is uniform
        y, x = (draws.bits() - (1 << BITS >> 1) for _ in range(2))
        if 0 < x * x + y * y <= 1 << 2 * BITS - 2:
            length = isqrt(x * x + y * y << 32)
            return (speed * y << 16) // length, (speed * x << 16) // length
