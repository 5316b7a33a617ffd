"""Receptive fields: which input pixels the positions of a tensor see through windows.

Araujo, Norris, Sim, *Computing Receptive Fields of Convolutional Neural Networks*, Distill 2019:
with extent ``k``, stride ``s`` and padding ``p`` of a layer on a field that starts at ``a``,
ends at ``b`` and advances by ``j`` pixels a position,

    a' = a - p j        b' = b + (k - 1 - p) j        j' = j s        field = b - a + 1

A field knows along which axes of its tensor positions move, whatever the layout: channels first,
positions in one row, windows in the batch. Every axis is a product of factors, outermost first,
and one step along a factor moves the field by a fixed number of pixels: reshaping regroups factors,
transposing permutes axes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import floor

from cnnbench.analysis.rule import Window


@dataclass(frozen=True)
class Axis:
    """The field of position 0 along one axis of the input, in pixels.

    Attributes:
        start: its first pixel; minus this is the effective padding.
        end: its last pixel.
        stride: distance to the field of the next position.
        base: the size of the field before the first up-sampling.
        grain: the step in which the field grows after up-sampling.
    """

    start: Fraction = Fraction(0)
    end: Fraction = Fraction(0)
    stride: Fraction = Fraction(1)
    base: int = 1
    grain: Fraction = Fraction(1)

    @property
    def size(self) -> int:
        """Number of pixels."""
        grown = self.end - self.start + 1 - self.base
        return self.base + int(self.grain * floor(grown / self.grain))

    def through(self, window: Window, stride: Fraction) -> Axis:
        """Return the field after ``window`` on positions that are ``stride`` pixels apart.

        Up-sampled positions between two inputs see nothing more: ``size`` rounds down to whole
        steps of the first up-sampled tensor. It is the field of the output that sees most, and an
        upper bound if strides after it skip that output.
        """
        first = window.scale > 1 and self.grain == 1
        base, grain = (self.size, stride) if first else (self.base, self.grain)
        step = stride / window.scale
        return Axis(
            self.start - window.before * step,
            self.end + (window.extent - 1 - window.before) * step,
            step * window.stride,
            base,
            grain,
        )

    def joined(self, other: Axis) -> Axis:
        """Return the smallest interval that holds both, at the coarser stride."""
        finer = min(self, other, key=lambda axis: (axis.grain, -axis.base))
        return Axis(
            min(self.start, other.start),
            max(self.end, other.end),
            max(self.stride, other.stride),
            finer.base,
            finer.grain,
        )


LISTED = -2


@dataclass(frozen=True)
class Factor:
    """A part of an axis of a tensor.

    Attributes:
        size: number of steps.
        axis: the axis of the input along which a step moves the field; -1 for none, `LISTED` for
            positions of several tensors one after another, from one to the next of which there is
            no fixed number of pixels.
        step: pixels per step.
        cuts: a step leads to the next of windows that were cut out, which may overlap.
    """

    size: int
    axis: int = -1
    step: Fraction = Fraction(0)
    cuts: bool = False

    @property
    def moves(self) -> bool:
        """True if a step along it moves the field."""
        return self.axis != -1


Place = tuple[Factor, ...]  # the factors of one axis of a tensor; none for an axis of one step


@dataclass(frozen=True)
class Field:
    """The receptive field of a tensor.

    Attributes:
        axes: one interval per spatial axis of the input.
        places: one product of factors per axis of the tensor.
        sees_all: the name of the first operation before it that mixes all positions, or "".
        lost: the name of the first operation that windows cannot describe, or ""; from there on the
            pixels are a lower bound.
        plain: an input without positions, which a reshape may create.
        loop_axis: the axis over which a loop iterates, if this is one step of it.
    """

    axes: tuple[Axis, ...]
    places: tuple[Place, ...] = ()
    sees_all: str = ""
    lost: str = ""
    plain: bool = False
    loop_axis: Place = ()

    @property
    def pixels(self) -> int:
        """The largest extent."""
        return max((axis.size for axis in self.axes), default=1)

    def placed(self, places: Iterable[Place]) -> Field:
        """Return the same pixels in another layout."""
        return replace(self, places=tuple(places), plain=False)

    def with_size(self, axis: int, size: int) -> Field:
        """Return the same pixels, fixed along one axis of the tensor, which gets another size."""
        return self.placed([*self.places[:axis], fixed_axis(size), *self.places[axis + 1 :]])

    def with_axis(self, axis: int, place: Place) -> Field:
        """Return the same pixels with one more axis before ``axis``."""
        return self.placed([*self.places[:axis], place, *self.places[axis:]])

    def without_positions(self, name: str, sizes: Sequence[int]) -> Field:
        """Return the same pixels, without the positions of any axis."""
        return replace(self.placed(map(fixed_axis, sizes)), lost=self.lost or name)


def fixed_axis(size: int) -> Place:
    """Return an axis along which the field does not move."""
    return (Factor(size),) if size > 1 else ()


def of_input(sizes: Sequence[int], first: int = 1, last: int = 1) -> Field:
    """Return the field of an input: every position between batch and channels sees itself.

    Args:
        sizes: the shape of the input.
        first: number of axes before the positions.
        last: number of axes after them.
    """
    rank = max(len(sizes) - first - last, 0)
    positions = [(Factor(sizes[first + place], place, Fraction(1)),) for place in range(rank)]
    others = [fixed_axis(size) for size in sizes]
    places = others[:first] + positions + others[first + rank :]
    return Field((Axis(),) * rank, tuple(places), plain=not rank)


def moving(places: Iterable[Place]) -> list[Factor]:
    """Return the factors along which the field moves."""
    return [factor for place in places for factor in place if factor.moves]
