"""The windows of an image that a fully convolutional classifier sees at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from cnnbench.errors import UserError
from cnnbench.models.fcn.steps import Step, Steps, Value
from cnnbench.named import show

Pair = tuple[int, int]


@dataclass(frozen=True)
class Grid:
    """The windows of one size at one stride that lie wholly in an image, from its top left.

    Attributes:
        window: ``(height, width)`` of one, in px.
        stride: px from one to the next, down and to the right.
        places: number of windows, down and to the right.
    """

    window: Pair
    stride: Pair
    places: Pair

    @classmethod
    def on(cls, image: Sequence[int], window: Pair, stride: Pair) -> Grid:
        """Return the grid on an image of ``(height, width, ...)``.

        Raises:
            UserError: the image is smaller than the window.
        """
        if image[0] < window[0] or image[1] < window[1]:
            raise UserError(
                f"an image of {show(tuple(image[:2]))} is too small for a classifier of "
                f"{show(window)}",
                hint=f"its input_shape must be at least {show(window)}, or its crop smaller",
            )
        down, right = (
            (whole - part) // step + 1
            for whole, part, step in zip(image, window, stride, strict=False)
        )
        return cls(window, stride, (down, right))

    @property
    def covered(self) -> Pair:
        """``(height, width)`` of the part of the image that the windows cover, in px."""
        down, right = (
            part + (count - 1) * step
            for part, step, count in zip(self.window, self.stride, self.places, strict=True)
        )
        return down, right

    @property
    def count(self) -> int:
        """Number of windows."""
        return self.places[0] * self.places[1]

    def offset(self, place: Sequence[int]) -> Pair:
        """Return ``(y, x)`` of the top left pixel of the window at ``(row, column)``."""
        return place[0] * self.stride[0], place[1] * self.stride[1]


def strides(network: Steps) -> dict[Value, tuple[Fraction, Fraction]]:
    """Return by how many px the windows of neighbouring places differ, of maps of a network.

    It is the product of the strides of the layers before, divided by the factors of up-sampling.

    Raises:
        UserError: maps of different strides are merged.
    """
    found = {network.input: (Fraction(1), Fraction(1))}
    for step in network.steps:
        given = {found[value] for value in step.inputs if value in found}
        if not given or _pools_everything(step):
            continue  # a vector, such as that of a gate
        if len(given) > 1:
            raise UserError(f"the layer {step} merges maps of different strides")
        down, right = (a * b for a, b in zip(given.pop(), _factors(step), strict=True))
        found.update(dict.fromkeys(step.outputs, (down, right)))
    return found


def grid_of(network: Any) -> Grid:
    """Return the windows that the places of a network's outputs stand for.

    Args:
        network: a ``keras.Model`` with a head ``slide`` or ``crops``, or from `to_fcn`, on images
            of a fixed size.

    Raises:
        UserError: its outputs are no maps on a grid.
    """
    read = Steps.of(network)
    for step in read.steps:
        if step.kind == "CutWindows":
            return Grid(step.layer.size, step.layer.stride, step.layer.places)
    found, (maps, *_) = strides(read), read.results()
    _, height, width, _ = read.input.shape
    if maps not in found or not maps.is_map or None in (height, width, *maps.shape[1:3]):
        raise UserError(f"the outputs of '{network.name}' are no grid of windows")
    down, right = (int(step) for step in found[maps])
    rows, columns = (int(count or 0) for count in maps.shape[1:3])
    first = read.steps[0]
    cropped = first.layer.cropping if first.kind == "Cropping2D" else ((0, 0), (0, 0))
    sides = (int(height or 0) - cropped[0][1], int(width or 0) - cropped[1][1])
    window = sides[0] - (rows - 1) * down, sides[1] - (columns - 1) * right
    return Grid(window, (down, right), (rows, columns))


@dataclass(frozen=True)
class Border:
    """Layers by which a window of a larger image differs from an image of that size.

    Attributes:
        padded: names of layers that pad their input at its border, in order.
        pooled: names of layers that pool their whole input, as those of gates do.
    """

    padded: tuple[str, ...]
    pooled: tuple[str, ...]


def border(network: Any) -> Border:
    """Return the layers of a fully convolutional network that see where an image ends."""
    steps = Steps.of(network).steps
    padded = tuple(step.layer.name for step in steps if _pads(step))
    return Border(padded, tuple(step.layer.name for step in steps if _pools_everything(step)))


def _pads(step: Step) -> bool:
    """Return whether a step adds zeros around its maps."""
    if step.kind == "ZeroPadding2D":
        return any(size for pair in step.layer.padding for size in pair)
    if getattr(step.layer, "padding", "valid") != "same" or not hasattr(step.layer, "strides"):
        return False
    extents = getattr(step.layer, "kernel_size", None) or step.layer.pool_size
    return any(size > 1 for size in extents)


def _pools_everything(step: Step) -> bool:
    return step.kind in ("GlobalAveragePooling2D", "GlobalMaxPooling2D")


def _factors(step: Step) -> Iterator[Fraction]:
    """Yield the stride of a step, down and to the right."""
    layer = step.layer
    if step.kind.startswith("UpSampling"):
        yield from (Fraction(1, size) for size in layer.size)
        return
    strides = getattr(layer, "strides", None) or (1, 1)
    pair = (strides, strides) if isinstance(strides, int) else tuple(strides)
    for size in pair:
        yield Fraction(1, size) if "Transpose" in step.kind else Fraction(size)
