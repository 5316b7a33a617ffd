"""Receptive field: which input pixels one output position sees through windows.

Araujo, Norris, Sim, *Computing Receptive Fields of Convolutional Neural Networks*, Distill 2019:
with extent ``k``, stride ``s`` and padding ``p`` of a layer on a field that starts at ``a``,
ends at ``b`` and advances by ``j`` pixels a position,

    a' = a - p j        b' = b + (k - 1 - p) j        j' = j s        field = b - a + 1

Where branches join, the field is the smallest interval that holds those of all branches. Borders
are not cut off. What mixes *every* position (global pooling, flattening into a dense layer,
attention) is left out of the pixels and reported beside them: a squeeze-and-excitation gate would
otherwise make every field "the whole image", whatever its convolutions do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import floor

from cnnbench.analysis.graph import Graph, Op, Tensor
from cnnbench.analysis.rule import Window, Windows
from cnnbench.analysis.rules_conv import split


@dataclass(frozen=True)
class Axis:
    """The field of output position 0 along one axis, in input pixels.

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
        """How many pixels it holds."""
        grown = self.end - self.start + 1 - self.base
        return self.base + int(self.grain * floor(grown / self.grain))

    def through(self, window: Window) -> Axis:
        """The field of what ``window`` makes of this.

        Between two inputs that are up-sampled nothing is seen: ``size`` rounds down to whole steps
        of what was up-sampled first. That is the field of the output that sees most; where strides
        after it leave that one out, the size is an upper bound.
        """
        first = window.scale > 1 and self.grain == 1
        base, grain = (self.size, self.stride) if first else (self.base, self.grain)
        step = self.stride / window.scale
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
class Field:
    """The receptive field of a tensor.

    Attributes:
        axes: one interval a spatial axis (of the last tensor that had such axes).
        sees_all: the name of the first operation on the way that mixes every position, or "".
        lost: the name of the first one that windows cannot follow (a traced convolution, a turned
            image), or ""; from there on the pixels are a lower bound.
    """

    axes: tuple[Axis, ...]
    sees_all: str = ""
    lost: str = ""

    @property
    def pixels(self) -> int:
        """Its largest extent."""
        return max((axis.size for axis in self.axes), default=1)

    def joined(self, other: Field) -> Field:
        """The field of what depends on both."""
        if len(self.axes) != len(other.axes):
            axes = max(self, other, key=lambda field: len(field.axes)).axes
        else:
            axes = tuple(a.joined(b) for a, b in zip(self.axes, other.axes, strict=True))
        return Field(axes, self.sees_all or other.sees_all, self.lost or other.lost)


# What makes positions of an input that is a plain vector: of tokens, of the pixels of an image.
_UNFOLDING = frozenset({"Embedding", "Reshape"})


def receptive_fields(graph: Graph) -> dict[Tensor, Field]:
    """The field of every tensor with respect to the inputs."""
    fields = {tensor: Field((Axis(),) * max(len(tensor.shape) - 2, 0)) for tensor in graph.inputs}
    images = set(graph.inputs)
    for op in graph.ops:
        field = _after(op, [fields[tensor] for tensor in op.inputs])
        if op.kind in _UNFOLDING and images.issuperset(op.inputs) and not field.axes:
            field = Field((Axis(),) * max(len(op.output.shape) - 2, 0))
        fields.update(dict.fromkeys(op.outputs, field))
    return fields


def _after(op: Op, sources: list[Field]) -> Field:
    if not sources:
        return Field(())
    field = sources[0]
    for other in sources[1:]:
        field = field.joined(other)
    flattened = op.input.spatial and not op.output.spatial
    if flattened or _sees_all(op):
        return replace(field, sees_all=field.sees_all or op.name)
    windows = _windows(op, field)
    if windows is None:
        return replace(field, lost=field.lost or op.name)
    sizes, _ = split(op.layer, op.input)
    axes = tuple(
        axis if window.scale > 1 and sizes[place : place + 1] == (1,) else axis.through(window)
        for place, (axis, window) in enumerate(zip(field.axes, windows, strict=True))
    )  # a single position has no neighbours, however it is spread
    return replace(field, axes=axes)


def _sees_all(op: Op) -> bool:
    sees_all = op.rule.sees_all if op.rule is not None else False
    return sees_all(op) if callable(sees_all) else sees_all


def _windows(op: Op, field: Field) -> Windows | None:
    """One window an axis of ``field``; None where the operation cannot be followed."""
    stay = (Window(),) * len(field.axes)
    if op.rule is None:
        from cnnbench.analysis.trace import trace_stays

        return stay if trace_stays(op) else None
    windows = op.rule.windows(op) if op.rule.windows is not None else stay
    if windows is None or len(windows) == len(stay):
        return windows
    return None if any(window != Window() for window in windows) else stay
