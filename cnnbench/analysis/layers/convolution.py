"""Convolutions and pooling: arithmetic, and the windows of inputs that an output sees."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

from cnnbench.analysis.graph import Op, Tensor
from cnnbench.analysis.layers.elementwise import ending
from cnnbench.analysis.rule import Window, Windows
from cnnbench.analysis.work import Work


def split(layer: Any, tensor: Tensor, first: int = 1) -> tuple[tuple[int, ...], int]:
    """Return the spatial sizes and the channels of ``tensor``, after ``first`` other axes."""
    sizes = tensor.sizes[first:]
    if getattr(layer, "data_format", None) == "channels_first":
        return sizes[1:], sizes[0]
    return sizes[:-1], sizes[-1]


def convolution(op: Op) -> Work:
    """``out_h x out_w x filters x (k_h x k_w x channels / groups)`` multiply-adds.

    Strides, dilation and padding act through the output size alone: products with padding zeros
    are counted, as every paper does.
    """
    layer = op.layer
    channels = split(layer, op.input)[1] // getattr(layer, "groups", 1)
    outputs = op.output.elements
    return Work(macs=outputs * prod(layer.kernel_size) * channels) + ending(layer, outputs)


def transposed(op: Op) -> Work:
    """``in_h x in_w x channels x (k_h x k_w x filters)``: every input is spread over a window."""
    filters = split(op.layer, op.output)[1]
    macs = op.input.elements * prod(op.layer.kernel_size) * filters
    return Work(macs=macs) + ending(op.layer, op.output.elements)


def depthwise(op: Op) -> Work:
    """``out_h x out_w x (channels x multiplier) x (k_h x k_w)``: one input map an output map."""
    outputs = op.output.elements
    return Work(macs=outputs * prod(op.layer.kernel_size)) + ending(op.layer, outputs)


def separable(op: Op) -> Work:
    """A depthwise convolution, ``k_h x k_w`` an element, then a 1x1 convolution over its maps.

    With ``maps = channels x multiplier``: ``out_h x out_w x maps x (k_h x k_w + filters)``.
    """
    filters = split(op.layer, op.output)[1]
    macs = depthwise_elements(op) * (prod(op.layer.kernel_size) + filters)
    return Work(macs=macs) + ending(op.layer, op.output.elements)


def depthwise_elements(op: Op) -> int:
    """Return the elements between the two halves of the layer: ``out_h x out_w x maps``."""
    maps = split(op.layer, op.input)[1] * op.layer.depth_multiplier
    return op.output.sizes[0] * prod(split(op.layer, op.output)[0]) * maps


def held_between(op: Op) -> int:
    """Return the intermediate elements of a separable convolution that are alive at its peak.

    The first half reads the input and writes the intermediate maps; the second half reads them and
    writes the output.
    """
    return max(depthwise_elements(op) - min(op.input.elements, op.output.elements), 0)


def pooling(op: Op) -> Work:
    """``out_h x out_w x channels x (p_h x p_w)`` elements are read."""
    return Work(pooling=op.output.elements * prod(_each(op.layer.pool_size, op)))


def global_pooling(op: Op) -> Work:
    """Count every input element once."""
    return Work(pooling=op.input.elements)


def adaptive_pooling(op: Op) -> Work:
    """Window ``i`` of ``n`` reads inputs ``floor(i s / n)`` to ``ceil((i + 1) s / n)``."""
    before, channels = split(op.layer, op.input)
    after, _ = split(op.layer, op.output)
    reads = prod(
        sum(-(-(i + 1) * size // n) - i * size // n for i in range(n))
        for size, n in zip(before, after, strict=True)
    )
    return Work(pooling=op.input.sizes[0] * reads * channels)


# Inputs per output along an axis; calls with other interpolations are traced.
TAPS = {"nearest": 1, "bilinear": 2, "bicubic": 4, "lanczos3": 6, "lanczos5": 10}


def up_sampling(op: Op) -> Work | None:
    """Count nothing for nearest-neighbour copies, else ``taps`` neighbours per axis and output."""
    taps = TAPS.get(getattr(op.layer, "interpolation", "nearest"))
    if taps is None:
        return None
    return Work(elementwise=op.output.elements * (taps**2 if taps > 1 else 0))


def conv_windows(op: Op) -> Windows:
    """``(k - 1) dilation + 1`` inputs, ``stride`` apart, moved by the padding."""
    found = []
    for extent, stride, size, _ in _extents(op):
        before = extent - 1 if op.layer.padding == "causal" else 0
        if op.layer.padding == "same":
            before = same_padding(extent, stride, size)
        found.append(Window(extent, stride, before))
    return tuple(found)


def same_padding(extent: int, stride: int, size: int) -> int:
    """Return the padding before an axis: the smaller half of what SAME adds.

    It adds ``(ceil(size / stride) - 1) stride + extent - size``.
    """
    return max((-(-size // stride) - 1) * stride + extent - size, 0) // 2


def transposed_windows(op: Op) -> Windows:
    """Output ``u`` sees the inputs ``i`` with ``0 <= u + before - i stride < extent``."""
    found = []
    for extent, stride, size, after in _extents(op):
        full = (size - 1) * stride + extent
        cut = max(full - after, 0) // 2 if op.layer.padding == "same" else 0
        found.append(Window(extent, 1, extent - 1 - cut, scale=stride))
    return tuple(found)


def _extents(op: Op) -> Iterator[tuple[int, int, int, int]]:
    """Yield dilated kernel size, stride, input size and output size of every spatial axis."""
    layer = op.layer
    kernel = _each(getattr(layer, "kernel_size", None) or layer.pool_size, op)
    dilation = _each(getattr(layer, "dilation_rate", 1), op)
    extents = [(size - 1) * rate + 1 for size, rate in zip(kernel, dilation, strict=True)]
    sizes = (split(layer, tensor)[0] for tensor in (op.input, op.output))
    return zip(extents, _each(layer.strides, op), *sizes, strict=True)


def resize_windows(op: Op) -> Windows | None:
    """Return the windows of up-sampling; None for an interpolation that must be traced."""
    taps = TAPS.get(getattr(op.layer, "interpolation", "nearest"))
    if taps is None:
        return None
    return tuple(resize_window(taps, factor) for factor in _each(op.layer.size, op))


def resize_window(taps: int, factor: int) -> Window:
    """Return the window of enlarging by ``factor``, as if zeros were put between the inputs.

    A copy is seen from ``factor`` outputs, an interpolated input from ``taps`` times as many.
    """
    extent = (taps - 1) * factor + (1 if taps > 1 else factor)
    return Window(extent, before=factor * max(taps // 2, 1) - 1, scale=factor)


def shift_windows(op: Op) -> Windows:
    """Shift the outputs by the padding before them, or by the cropped size."""
    layer = op.layer
    amounts, sign = (layer.padding, 1) if "padding" in vars(layer) else (layer.cropping, -1)
    pairs = amounts if hasattr(amounts[0], "__len__") else (amounts,)
    return tuple(Window(1, 1, sign * pair[0]) for pair in pairs)


def _each(value: Any, op: Op) -> tuple[int, ...]:
    """Return ``value`` for each spatial axis."""
    rank = len(op.input.sizes) - 2
    return tuple(value) if hasattr(value, "__len__") else (value,) * rank
