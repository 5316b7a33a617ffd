"""Receptive fields: which input pixels the positions of a tensor see through windows.

Araujo, Norris, Sim, *Computing Receptive Fields of Convolutional Neural Networks*, Distill 2019:
with extent ``k``, stride ``s`` and padding ``p`` of a layer on a field that starts at ``a``,
ends at ``b`` and advances by ``j`` pixels a position,

    a' = a - p j        b' = b + (k - 1 - p) j        j' = j s        field = b - a + 1

A field knows along which axes of its tensor positions move, whatever the layout: channels first,
positions in one row, windows in the batch. Every axis is a product of factors, outermost first,
and going one step along a factor moves the field by so many pixels: reshaping regroups factors,
turning permutes axes.
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
        stride: how far the field of the next position is away.
        base: the size of the field before anything was up-sampled.
        grain: what a field can grow by: positions that share an input share its whole field.
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
        """The field of what ``window`` makes of positions that are ``stride`` pixels apart.

        Between two inputs that are up-sampled nothing is seen: ``size`` rounds down to whole steps
        of what was up-sampled first. That is the field of the output that sees most; where strides
        after it leave that one out, the size is an upper bound.
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
        """The smallest interval that holds both, at the coarser stride."""
        finer = min(self, other, key=lambda axis: (axis.grain, -axis.base))
        return Axis(
            min(self.start, other.start),
            max(self.end, other.end),
            max(self.stride, other.stride),
            finer.base,
            finer.grain,
        )


@dataclass(frozen=True)
class Factor:
    """A part of an axis of a tensor.

    Attributes:
        size: how many steps it has.
        axis: along which axis of the input a step moves the field; -1 for none.
        step: by how many pixels.
    """

    size: int
    axis: int = -1
    step: Fraction = Fraction(0)

    @property
    def moves(self) -> bool:
        """Whether its steps see different pixels."""
        return self.axis >= 0


Place = tuple[Factor, ...]  # the factors of one axis of a tensor; none for an axis of one step


@dataclass(frozen=True)
class Field:
    """The receptive field of a tensor.

    Attributes:
        axes: one interval a spatial axis of the input.
        places: one product of factors an axis of the tensor.
        sees_all: the name of the first operation on the way that mixes every position, or "".
        lost: the name of the first one that windows cannot follow, or ""; from there on the pixels
            are a lower bound.
        plain: still an input without positions: they may be made of it.
        walked: the axis along which a loop goes, of which this is one step.
    """

    axes: tuple[Axis, ...]
    places: tuple[Place, ...] = ()
    sees_all: str = ""
    lost: str = ""
    plain: bool = False
    walked: Place = ()

    @property
    def pixels(self) -> int:
        """Its largest extent."""
        return max((axis.size for axis in self.axes), default=1)

    def placed(self, places: Iterable[Place]) -> Field:
        """The same pixels in another layout."""
        return replace(self, places=tuple(places), plain=False)

    def losing(self, name: str, sizes: Sequence[int]) -> Field:
        """Return the same pixels, without the positions of any axis."""
        return replace(self.placed(map(still, sizes)), lost=self.lost or name)


def still(size: int) -> Place:
    """An axis along which the field does not move."""
    return (Factor(size),) if size > 1 else ()


def of_input(sizes: Sequence[int], first: int = 1, last: int = 1) -> Field:
    """The field of an input: every position between batch and channels sees itself.

    Args:
        sizes: of the input.
        first: how many axes before the positions.
        last: how many behind them.
    """
    rank = max(len(sizes) - first - last, 0)
    positions = [(Factor(sizes[first + place], place, Fraction(1)),) for place in range(rank)]
    others = [still(size) for size in sizes]
    places = others[:first] + positions + others[first + rank :]
    return Field((Axis(),) * rank, tuple(places), plain=not rank)


def moving(places: Iterable[Place]) -> list[Factor]:
    """The factors along which the field moves."""
    return [factor for place in places for factor in place if factor.moves]
