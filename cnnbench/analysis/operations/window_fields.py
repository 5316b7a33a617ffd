"""Receptive fields of TensorFlow operations with windows, blocks or resizing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cnnbench.analysis.graph import Op, Tensor
from cnnbench.analysis.layers import fields as layer_fields
from cnnbench.analysis.layers.convolution import TAPS, resize_window, same_padding
from cnnbench.analysis.operations.fields import (
    NotFollowed,
    before_of,
    constant,
    followed,
    node_of,
)
from cnnbench.analysis.receptive_field.algebra import contracted, regrouped, windowed
from cnnbench.analysis.receptive_field.field import Field
from cnnbench.analysis.rule import Window

if TYPE_CHECKING:
    from cnnbench.analysis.rule import Fields


def _layout(node: Any) -> tuple[range, int]:
    """Return the axes of positions, and the axis of channels."""
    is_first = node.get_attr("data_format").startswith(b"NC")
    return layer_fields.axes_of(is_first, len(node.outputs[0].shape))


def _before_padding(node: Any, axis: int, extent: int, stride: int, size: int) -> int:
    """Return the padding before the first position along an axis."""
    padding = node.get_attr("padding").decode()
    if padding == "EXPLICIT":
        return int(node.get_attr("explicit_paddings")[2 * axis])
    if padding == "VALID":
        return 0
    return same_padding(extent, stride, size)


def convolved(op: Op, fields: Fields, output: Tensor) -> Field:
    """Slide a kernel over the positions; outputs read all channels."""
    return _by_kernel(op, followed(op, fields, 0), output, before_of(op))


def depthwise(op: Op, fields: Fields, output: Tensor) -> Field:
    """Slide one kernel per channel over the positions."""
    return _by_kernel(op, followed(op, fields, 0), output, before_of(op), mixes=False)


def transposed(op: Op, fields: Fields, output: Tensor) -> Field:
    """Spread every input over a window (transposed convolution)."""
    return _by_kernel(op, followed(op, fields, 2), output, output.sizes, spreads=True)


def _by_kernel(
    op: Op,
    field: Field,
    output: Tensor,
    sizes: tuple[int, ...],
    mixes: bool = True,
    spreads: bool = False,
) -> Field:
    """Return the field of an operation with a kernel; ``sizes`` are those that it slides over."""
    node = node_of(op)
    positions, channel = _layout(node)
    kernel, strides = before_of(op, 1), node.get_attr("strides")
    dilations = node.get_attr("dilations")
    windows = {}
    for place, axis in enumerate(positions):
        extent = (kernel[place] - 1) * dilations[axis] + 1
        before = _before_padding(node, axis, extent, strides[axis], sizes[axis])
        windows[axis] = (
            Window(extent, 1, extent - 1 - before, scale=strides[axis])
            if spreads
            else Window(extent, strides[axis], before)
        )
    if mixes:
        field = contracted(field, [channel], op.name)
    field = field.with_size(channel, output.sizes[channel])
    return windowed(field, windows, output.sizes, op.name)


def pooled(op: Op, fields: Fields, output: Tensor) -> Field:
    """Slide a pooling window over the positions."""
    node = node_of(op)
    sizes, extents = before_of(op), node.get_attr("ksize")
    strides = node.get_attr("strides")
    windows = {
        axis: Window(
            extents[axis],
            strides[axis],
            _before_padding(node, axis, extents[axis], strides[axis], sizes[axis]),
        )
        for axis in _layout(node)[0]
    }
    return windowed(fields[op.input], windows, output.sizes, op.name)


def padded(op: Op, fields: Fields, output: Tensor) -> Field:
    """Shift the positions by the padding before them (Pad)."""
    pairs = enumerate(constant(op, 1))
    windows = {axis: Window(before=int(pair[0])) for axis, pair in pairs if pair.any()}
    return windowed(fields[op.input], windows, output.sizes, op.name)


def depth_to_space(op: Op, fields: Fields, output: Tensor) -> Field:
    """Turn blocks of channels into neighbouring positions."""
    return _blocks(op, fields[op.input], output, to_space=True)


def space_to_depth(op: Op, fields: Fields, output: Tensor) -> Field:
    """Turn neighbouring positions into channels."""
    return _blocks(op, fields[op.input], output, to_space=False)


def _blocks(op: Op, field: Field, output: Tensor, to_space: bool) -> Field:
    node, before = node_of(op), before_of(op)
    block = int(node.get_attr("block_size"))
    if node.get_attr("data_format") != b"NHWC":
        raise NotFollowed
    count, height, width, channels = before
    if to_space:
        parts = (count, height, width, block, block, channels // block**2)
    else:
        parts = (count, height // block, block, width // block, block, channels)
    return regrouped(field, before, parts, (0, 1, 3, 2, 4, 5), output.sizes, op.name)


def space_to_batch(op: Op, fields: Fields, output: Tensor) -> Field:
    """Turn positions that are a block apart into separate images."""
    blocks, pads = constant(op, 1), constant(op, 2)
    sizes = list(before_of(op))
    for axis, pair in enumerate(pads, 1):
        sizes[axis] += int(pair.sum())
    field = windowed(fields[op.input], _moved(pads, 1), sizes, op.name)
    count = len(blocks)
    parts = [sizes[0]]
    for axis, block in enumerate(blocks, 1):
        parts += [sizes[axis] // int(block), int(block)]
    parts += sizes[count + 1 :]
    inner, outer = range(2, 2 * count + 1, 2), range(1, 2 * count, 2)
    order = [*inner, 0, *outer, *range(2 * count + 1, len(parts))]
    return regrouped(field, sizes, parts, order, output.sizes, op.name)


def batch_to_space(op: Op, fields: Fields, output: Tensor) -> Field:
    """Invert `space_to_batch`."""
    blocks, crops = constant(op, 1), constant(op, 2)
    before, count = before_of(op), len(blocks)
    images = before[0] // int(np.prod(blocks))
    parts = [*map(int, blocks), images, *before[1:]]
    order = [count]
    for place in range(count):
        order += [count + 1 + place, place]
    order += range(2 * count + 1, len(parts))
    full = [images, *(before[1 + place] * int(block) for place, block in enumerate(blocks))]
    full += before[count + 1 :]
    field = regrouped(fields[op.input], before, parts, order, full, op.name)
    return windowed(field, _moved(crops, -1), output.sizes, op.name)


def _moved(pairs: Any, sign: int) -> dict[int, Window]:
    """Return windows that move the positions by what is added or cut off before them."""
    return {axis: Window(before=sign * int(pair[0])) for axis, pair in enumerate(pairs, 1)}


def resized(op: Op, fields: Fields, output: Tensor) -> Field:
    """Enlarge an image by a whole factor, from one or several neighbours per axis."""
    field, before = fields[op.input], before_of(op)
    interpolations = {"ResizeNearestNeighbor": "nearest", "ResizeBilinear": "bilinear"}
    taps = TAPS[interpolations.get(node_of(op).type, "bicubic")]
    windows = {}
    for axis in (1, 2):
        if not before[axis] or output.sizes[axis] % before[axis]:
            raise NotFollowed
        windows[axis] = resize_window(taps, output.sizes[axis] // before[axis])
    return windowed(field, windows, output.sizes, op.name)
