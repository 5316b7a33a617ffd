"""Receptive fields of TensorFlow operations with windows, blocks or resizing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cnnbench.analysis.graph import Op, Tensor
from cnnbench.analysis.layers.convolution import TAPS
from cnnbench.analysis.operations.fields import before_of, constant, field_of, node_of, unknown
from cnnbench.analysis.receptive_field import algebra
from cnnbench.analysis.receptive_field.algebra import contracted, windowed
from cnnbench.analysis.receptive_field.field import Field, fixed_axis
from cnnbench.analysis.rule import Window

if TYPE_CHECKING:
    from cnnbench.analysis.rule import Fields


def _layout(node: Any) -> tuple[list[int], int]:
    """Return the axes of positions, and the axis of channels."""
    rank = len(node.outputs[0].shape)
    name = node.get_attr("data_format")
    name = name.decode() if isinstance(name, bytes) else name
    if name.startswith("NC"):
        return list(range(2, rank)), 1
    return list(range(1, rank - 1)), rank - 1


def _before_padding(node: Any, axis: int, extent: int, stride: int, size: int) -> int:
    """Return the padding before the first position along an axis."""
    padding = node.get_attr("padding").decode()
    if padding == "EXPLICIT":
        return int(node.get_attr("explicit_paddings")[2 * axis])
    if padding == "VALID":
        return 0
    return max((-(-size // stride) - 1) * stride + extent - size, 0) // 2


def convolved(op: Op, fields: Fields, output: Tensor, mixes: bool = True) -> Field:
    """Slide a kernel over the positions; outputs read all channels, or one."""
    node = node_of(op)
    field = field_of(op, fields, 0)
    if field is None:
        return unknown(op, fields, output)
    positions, channel = _layout(node)
    kernel, sizes = before_of(op, 1), before_of(op)
    dilations, strides = node.get_attr("dilations"), node.get_attr("strides")
    windows = {}
    for place, axis in enumerate(positions):
        extent = (kernel[place] - 1) * dilations[axis] + 1
        before = _before_padding(node, axis, extent, strides[axis], sizes[axis])
        windows[axis] = Window(extent, strides[axis], before)
    if mixes:
        field = contracted(field, [channel], op.name)
    places = list(field.places)
    places[channel] = fixed_axis(output.sizes[channel])
    return windowed(field.placed(places), windows, output.sizes, op.name)


def depthwise(op: Op, fields: Fields, output: Tensor) -> Field:
    """Slide one kernel per channel over the positions."""
    return convolved(op, fields, output, mixes=False)


def transposed(op: Op, fields: Fields, output: Tensor) -> Field:
    """Spread every input over a window (transposed convolution)."""
    node = node_of(op)
    field = field_of(op, fields, 2)
    if field is None:
        return unknown(op, fields, output)
    positions, channel = _layout(node)
    kernel, sizes = before_of(op, 1), output.sizes
    dilations, strides = node.get_attr("dilations"), node.get_attr("strides")
    windows = {}
    for place, axis in enumerate(positions):
        extent = (kernel[place] - 1) * dilations[axis] + 1
        cut = _before_padding(node, axis, extent, strides[axis], sizes[axis])
        windows[axis] = Window(extent, 1, extent - 1 - cut, scale=strides[axis])
    field = contracted(field, [channel], op.name)
    places = list(field.places)
    places[channel] = fixed_axis(output.sizes[channel])
    return windowed(field.placed(places), windows, output.sizes, op.name)


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
    widths, field = constant(op, 1), fields[op.input]
    if widths is None:
        return unknown(op, fields, output)
    windows = {axis: Window(before=int(pair[0])) for axis, pair in enumerate(widths) if pair.any()}
    return windowed(field, windows, output.sizes, op.name)


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
        return unknown(op, {op.input: field}, output)
    count, height, width, channels = before
    if to_space:
        parts = (count, height, width, block, block, channels // block**2)
    else:
        parts = (count, height // block, block, width // block, block, channels)
    order = (0, 1, 3, 2, 4, 5)
    field = algebra.reshaped(field, before, parts, op.name)
    turned = [parts[axis] for axis in order]
    field = field.placed(field.places[axis] for axis in order)
    return algebra.reshaped(field, turned, output.sizes, op.name)


def space_to_batch(op: Op, fields: Fields, output: Tensor) -> Field:
    """Turn positions that are a block apart into separate images."""
    blocks, pads, field = constant(op, 1), constant(op, 2), fields[op.input]
    if blocks is None or pads is None:
        return unknown(op, fields, output)
    sizes = list(before_of(op))
    for axis, pair in enumerate(pads, 1):
        sizes[axis] += int(pair.sum())
    windows = {axis: Window(before=int(pair[0])) for axis, pair in enumerate(pads, 1)}
    field = windowed(field, windows, sizes, op.name)
    count = len(blocks)
    parts = [sizes[0]]
    for axis, block in enumerate(blocks, 1):
        parts += [sizes[axis] // int(block), int(block)]
    parts += sizes[count + 1 :]
    field = algebra.reshaped(field, sizes, parts, op.name)
    inner = [2 + 2 * place for place in range(count)]
    outer = [1 + 2 * place for place in range(count)]
    order = [*inner, 0, *outer, *range(2 * count + 1, len(parts))]
    field = field.placed(field.places[axis] for axis in order)
    turned = [parts[axis] for axis in order]
    return algebra.reshaped(field, turned, output.sizes, op.name)


def batch_to_space(op: Op, fields: Fields, output: Tensor) -> Field:
    """Invert `space_to_batch`."""
    blocks, crops, field = constant(op, 1), constant(op, 2), fields[op.input]
    if blocks is None or crops is None:
        return unknown(op, fields, output)
    before, count = before_of(op), len(blocks)
    parts = [*map(int, blocks), before[0] // int(np.prod(blocks)), *before[1:]]
    field = algebra.reshaped(field, before, parts, op.name)
    order = [count]
    for place in range(count):
        order += [count + 1 + place, place]
    order += range(2 * count + 1, len(parts))
    field = field.placed(field.places[axis] for axis in order)
    turned = [parts[axis] for axis in order]
    full = [before[0] // int(np.prod(blocks))]
    full += [before[1 + place] * int(block) for place, block in enumerate(blocks)]
    full += before[count + 1 :]
    field = algebra.reshaped(field, turned, full, op.name)
    windows = {axis: Window(before=-int(pair[0])) for axis, pair in enumerate(crops, 1)}
    return windowed(field, windows, output.sizes, op.name)


def resized(op: Op, fields: Fields, output: Tensor) -> Field:
    """Enlarge an image by a whole factor, from one or several neighbours per axis."""
    field, before = fields[op.input], before_of(op)
    interpolations = {"ResizeNearestNeighbor": "nearest", "ResizeBilinear": "bilinear"}
    taps = TAPS[interpolations.get(node_of(op).type, "bicubic")]
    windows = {}
    for axis in (1, 2):
        if not before[axis] or output.sizes[axis] % before[axis]:
            return unknown(op, fields, output)
        factor = output.sizes[axis] // before[axis]
        extent = (taps - 1) * factor + (1 if taps > 1 else factor)
        windows[axis] = Window(extent, before=factor * max(taps // 2, 1) - 1, scale=factor)
    return windowed(field, windows, output.sizes, op.name)
