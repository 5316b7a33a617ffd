"""How TensorFlow operations move receptive fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cnnbench.analysis import fields as algebra
from cnnbench.analysis import moves
from cnnbench.analysis.fields import Field, contracted, still, windowed
from cnnbench.analysis.graph import Op, Tensor
from cnnbench.analysis.moves import pointwise, same
from cnnbench.analysis.rule import Window
from cnnbench.analysis.rules_conv import TAPS

if TYPE_CHECKING:
    from cnnbench.analysis.rule import Fields

__all__ = ["pointwise", "same"]


def _node(op: Op) -> Any:
    return op.nodes[0][0]


def _field(op: Op, fields: Fields, place: int) -> Field | None:
    """The field of an operand; None where it depends on no input of the network."""
    tensor = op.args["values"][place]
    return None if tensor is None else fields.get(tensor)


def _constant(op: Op, place: int) -> Any:
    """The value of an operand that is known beforehand, or None."""
    import tensorflow as tf

    return tf.get_static_value(_node(op).inputs[place])


def _sizes(tensor: Any) -> tuple[int, ...]:
    return tuple(size or 0 for size in tensor.shape.as_list())


def _before(op: Op, place: int = 0) -> tuple[int, ...]:
    return _sizes(_node(op).inputs[place])


def unknown(op: Op, fields: Fields, output: Tensor) -> Field:
    """Nothing is known: lost, unless nothing moves."""
    field = algebra.joined([f.placed([]) for f in moves.known(op, fields)], (), op.name)
    spread = [f for one in moves.known(op, fields) for f in algebra.moving(one.places)]
    if any(factor.size > 1 for factor in spread):
        return field.losing(op.name, output.sizes)
    return field.placed(map(still, output.sizes))


def first(op: Op, fields: Fields, output: Tensor) -> Field:
    """The first operand, element by element; other outputs are statistics."""
    field = fields[op.input]
    if len(output.sizes) == len(field.places):
        return algebra.joined([field], output.sizes, op.name)
    return field.placed(map(still, output.sizes))


def softmax(op: Op, fields: Fields, output: Tensor) -> Field:
    """Every output depends on the whole last axis."""
    return contracted(fields[op.input], [len(output.sizes) - 1], op.name)


def _layout(node: Any) -> tuple[list[int], int]:
    """The axes of positions and that of channels."""
    rank = len(node.outputs[0].shape)
    name = node.get_attr("data_format")
    name = name.decode() if isinstance(name, bytes) else name
    if name.startswith("NC"):
        return list(range(2, rank)), 1
    return list(range(1, rank - 1)), rank - 1


def _before_padding(node: Any, axis: int, extent: int, stride: int, size: int) -> int:
    """How much is padded before the first position along an axis."""
    padding = node.get_attr("padding").decode()
    if padding == "EXPLICIT":
        return int(node.get_attr("explicit_paddings")[2 * axis])
    if padding == "VALID":
        return 0
    return max((-(-size // stride) - 1) * stride + extent - size, 0) // 2


def convolved(op: Op, fields: Fields, output: Tensor, mixes: bool = True) -> Field:
    """A kernel of which every output reads all channels, or one."""
    node = _node(op)
    field = _field(op, fields, 0)
    if field is None:
        return unknown(op, fields, output)
    positions, channel = _layout(node)
    kernel, sizes = _before(op, 1), _before(op)
    dilations, strides = node.get_attr("dilations"), node.get_attr("strides")
    windows = {}
    for place, axis in enumerate(positions):
        extent = (kernel[place] - 1) * dilations[axis] + 1
        before = _before_padding(node, axis, extent, strides[axis], sizes[axis])
        windows[axis] = Window(extent, strides[axis], before)
    if mixes:
        field = contracted(field, [channel], op.name)
    places = list(field.places)
    places[channel] = still(output.sizes[channel])
    return windowed(field.placed(places), windows, output.sizes, op.name)


def depthwise(op: Op, fields: Fields, output: Tensor) -> Field:
    """A kernel a channel."""
    return convolved(op, fields, output, mixes=False)


def transposed(op: Op, fields: Fields, output: Tensor) -> Field:
    """Every input is spread over a window: the gradient of a convolution."""
    node = _node(op)
    field = _field(op, fields, 2)
    if field is None:
        return unknown(op, fields, output)
    positions, channel = _layout(node)
    kernel, sizes = _before(op, 1), output.sizes
    dilations, strides = node.get_attr("dilations"), node.get_attr("strides")
    windows = {}
    for place, axis in enumerate(positions):
        extent = (kernel[place] - 1) * dilations[axis] + 1
        cut = _before_padding(node, axis, extent, strides[axis], sizes[axis])
        windows[axis] = Window(extent, 1, extent - 1 - cut, scale=strides[axis])
    field = contracted(field, [channel], op.name)
    places = list(field.places)
    places[channel] = still(output.sizes[channel])
    return windowed(field.placed(places), windows, output.sizes, op.name)


def pooled(op: Op, fields: Fields, output: Tensor) -> Field:
    """A window without a kernel."""
    node = _node(op)
    sizes, extents = _before(op), node.get_attr("ksize")
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


def matmul(op: Op, fields: Fields, output: Tensor) -> Field:
    """The last axis of one by the last but one of the other."""
    node = _node(op)
    names = ("transpose_a", "transpose_b") if node.type == "MatMul" else ("adj_x", "adj_y")
    left = "ji" if node.get_attr(names[0]) else "ij"
    right = "kj" if node.get_attr(names[1]) else "jk"
    return _einsum(op, fields, output, f"...{left},...{right}->...ik")


def einsum(op: Op, fields: Fields, output: Tensor) -> Field:
    """A product of tensors by its equation."""
    return _einsum(op, fields, output, _node(op).get_attr("equation").decode())


def _einsum(op: Op, fields: Fields, output: Tensor, equation: str) -> Field:
    count = len(_node(op).inputs)
    operands = [(_field(op, fields, place), len(_before(op, place))) for place in range(count)]
    return moves.einsum(equation, operands, output.sizes, op.name)


def reduced(op: Op, fields: Fields, output: Tensor) -> Field:
    """Some axes are summed over."""
    axes, rank = _constant(op, 1), len(_before(op))
    if axes is None or op.args["values"][0] is None:
        return unknown(op, fields, output)
    chosen = [int(axis) % rank for axis in np.ravel(axes)]
    return moves.reduced(fields[op.input], chosen, output.sizes, op.name)


def cumulated(op: Op, fields: Fields, output: Tensor) -> Field:
    """Every output depends on what is before it along an axis."""
    axis = _constant(op, 1)
    if axis is None:
        return unknown(op, fields, output)
    return contracted(fields[op.input], [int(axis) % len(output.sizes)], op.name)


def reshape(op: Op, fields: Fields, output: Tensor) -> Field:
    """The same elements in order."""
    return moves.reshape(op, fields, output)


def turned(op: Op, fields: Fields, output: Tensor) -> Field:
    """The axes in another order."""
    order, field = _constant(op, 1), fields[op.input]
    if order is None:
        return unknown(op, fields, output)
    return field.placed(field.places[int(axis)] for axis in order)


def sliced(op: Op, fields: Fields, output: Tensor) -> Field:
    """A part along some axes: where it starts, and its step."""
    node, field, before = _node(op), _field(op, fields, 0), _before(op)
    if field is None:
        return unknown(op, fields, output)
    if node.type == "Slice":
        begin = _constant(op, 1)
        if begin is None:
            return unknown(op, fields, output)
        starts = [(int(start), 1) for start in begin]
        dropped: list[int] = []
        added: list[int] = []
    else:
        read = _strided(op, len(before))
        if read is None:
            return unknown(op, fields, output)
        starts, dropped, added = read
    sizes = list(before)
    kept = [size for at, size in enumerate(output.sizes) if at not in added]
    for axis, (start, step) in enumerate(starts):
        size = 1 if axis in dropped else kept[axis - sum(d < axis for d in dropped)]
        if (start, step, size) != (0, 1, before[axis]):
            sizes[axis] = size
            start += before[axis] if start < 0 else 0
            field = algebra.sliced(field, axis, start, step, size, op.name)
    places = [place for axis, place in enumerate(field.places) if axis not in dropped]
    for at in added:
        places.insert(at, ())
    return field.placed(places)


def _strided(op: Op, rank: int) -> tuple[list[tuple[int, int]], list[int], list[int]] | None:
    """Start and step an axis, the axes that are dropped, and those that are added, of a slice."""
    node = _node(op)
    begin, steps = _constant(op, 1), _constant(op, 3)
    if begin is None or steps is None:
        return None
    mask = {
        name: int(node.get_attr(f"{name}_mask"))
        for name in ("begin", "ellipsis", "new_axis", "shrink_axis")
    }
    starts: list[tuple[int, int]] = []
    dropped, added = list[int](), list[int]()
    real = sum(
        not mask["new_axis"] >> i & 1 and not mask["ellipsis"] >> i & 1 for i in range(len(begin))
    )
    for i, (start, step) in enumerate(zip(begin, steps, strict=True)):
        if mask["ellipsis"] >> i & 1:
            starts += [(0, 1)] * (rank - real)
        elif mask["new_axis"] >> i & 1:
            added.append(len(starts) - len(dropped) + len(added))
        else:
            if mask["shrink_axis"] >> i & 1:
                dropped.append(len(starts))
            is_open = mask["begin"] >> i & 1
            starts.append((0 if is_open and step > 0 else int(start), int(step)))
    return starts + [(0, 1)] * (rank - len(starts)), dropped, added


def split(op: Op, fields: Fields, output: Tensor) -> Field:
    """Equal or given parts along an axis."""
    node = _node(op)
    at = 0 if node.type == "Split" else 2
    axis = _constant(op, at)
    field = _field(op, fields, 1 - at if at == 0 else 0)
    if axis is None or field is None:
        return unknown(op, fields, output)
    place = int(axis) % len(output.sizes)
    start = 0
    for made in op.outputs:
        if made is output:
            break
        start += made.sizes[place]
    return algebra.sliced(field, place, start, 1, output.sizes[place], op.name)


def padded(op: Op, fields: Fields, output: Tensor) -> Field:
    """Moved by what is put before."""
    widths, field = _constant(op, 1), fields[op.input]
    if widths is None:
        return unknown(op, fields, output)
    windows = {axis: Window(before=int(pair[0])) for axis, pair in enumerate(widths) if pair.any()}
    return windowed(field, windows, output.sizes, op.name)


def beside(op: Op, fields: Fields, output: Tensor) -> Field:
    """Tensors side by side along an axis."""
    is_new = _node(op).type == "ConcatV2"
    count = len(op.args["values"])
    axis = _constant(op, count - 1 if is_new else 0)
    if axis is None:
        return unknown(op, fields, output)
    operands = range(count - 1) if is_new else range(1, count)
    place = int(axis) % len(output.sizes)
    widths = [_before(op, operand)[place] for operand in operands]
    parts = [_field(op, fields, operand) for operand in operands]
    return algebra.concatenated(parts, widths, place, output.sizes, op.name)


def stacked(op: Op, fields: Fields, output: Tensor) -> Field:
    """Tensors side by side along a new axis."""
    place = int(_node(op).get_attr("axis")) % len(output.sizes)
    sizes = output.sizes[:place] + output.sizes[place + 1 :]
    field = algebra.joined(moves.known(op, fields), sizes, op.name)
    return field.placed([*field.places[:place], still(output.sizes[place]), *field.places[place:]])


def unstacked(op: Op, fields: Fields, output: Tensor) -> Field:
    """One of the parts along an axis, without it."""
    field = fields[op.input]
    place = int(_node(op).get_attr("axis")) % len(field.places)
    at = next(at for at, made in enumerate(op.outputs) if made is output)
    field = algebra.sliced(field, place, at, 1, 1, op.name)
    return field.placed([*field.places[:place], *field.places[place + 1 :]])


def tiled(op: Op, fields: Fields, output: Tensor) -> Field:
    """Copies along some axes."""
    field = fields[op.input]
    places = [
        (*still(size // old if old else 1), *place)
        for place, size, old in zip(field.places, output.sizes, _before(op), strict=True)
    ]
    return field.placed(places)


def gathered(op: Op, fields: Fields, output: Tensor) -> Field:
    """Some elements along an axis, or rows of a table that the data names."""
    table, rows = _field(op, fields, 0), _field(op, fields, 1)
    if table is None and rows is not None:
        if rows.plain:
            return algebra.of_input(output.sizes)
        behind = output.sizes[len(rows.places) :]
        return rows.placed([*rows.places, *map(still, behind)])
    axis = _constant(op, 2) if len(op.args["values"]) > 2 else 0
    if table is None or rows is not None or axis is None:
        return unknown(op, fields, output)
    place = int(axis) % len(table.places)
    if any(factor.size > 1 for factor in algebra.moving([table.places[place]])):
        return table.losing(op.name, output.sizes)
    new = len(output.sizes) - len(table.places) + 1
    made = map(still, output.sizes[place : place + new])
    return table.placed([*table.places[:place], *made, *table.places[place + 1 :]])


def one_hot(op: Op, fields: Fields, output: Tensor) -> Field:
    """A new axis of classes."""
    field = fields[op.input]
    axis = int(_node(op).get_attr("axis")) % len(output.sizes)
    return field.placed([*field.places[:axis], still(output.sizes[axis]), *field.places[axis:]])


def depth_to_space(op: Op, fields: Fields, output: Tensor) -> Field:
    """Blocks of channels become positions beside one another."""
    return _blocks(op, fields[op.input], output, to_space=True)


def space_to_depth(op: Op, fields: Fields, output: Tensor) -> Field:
    """Positions beside one another become channels."""
    return _blocks(op, fields[op.input], output, to_space=False)


def _blocks(op: Op, field: Field, output: Tensor, to_space: bool) -> Field:
    node, before = _node(op), _before(op)
    block = int(node.get_attr("block_size"))
    if node.get_attr("data_format") != b"NHWC":
        return unknown(op, {op.input: field}, output)
    count, height, width, channels = before
    if to_space:
        parts = (count, height, width, block, block, channels // block**2)
        order = (0, 1, 3, 2, 4, 5)
    else:
        parts = (count, height // block, block, width // block, block, channels)
        order = (0, 1, 3, 2, 4, 5)
    field = algebra.reshaped(field, before, parts, op.name)
    turned = [parts[axis] for axis in order]
    field = field.placed(field.places[axis] for axis in order)
    return algebra.reshaped(field, turned, output.sizes, op.name)


def space_to_batch(op: Op, fields: Fields, output: Tensor) -> Field:
    """Positions that are a block apart, as images of their own."""
    blocks, pads, field = _constant(op, 1), _constant(op, 2), fields[op.input]
    if blocks is None or pads is None:
        return unknown(op, fields, output)
    sizes = list(_before(op))
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
    """The other way round."""
    blocks, crops, field = _constant(op, 1), _constant(op, 2), fields[op.input]
    if blocks is None or crops is None:
        return unknown(op, fields, output)
    before, count = _before(op), len(blocks)
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
    """An image drawn larger by a whole number, from one or several neighbours."""
    field, before = fields[op.input], _before(op)
    way = {"ResizeNearestNeighbor": "nearest", "ResizeBilinear": "bilinear"}
    taps = TAPS[way.get(_node(op).type, "bicubic")]
    windows = {}
    for axis in (1, 2):
        if not before[axis] or output.sizes[axis] % before[axis]:
            return unknown(op, fields, output)
        factor = output.sizes[axis] // before[axis]
        extent = (taps - 1) * factor + (1 if taps > 1 else factor)
        windows[axis] = Window(extent, before=factor * max(taps // 2, 1) - 1, scale=factor)
    return windowed(field, windows, output.sizes, op.name)


def one_of_list(op: Op, fields: Fields, output: Tensor) -> Field:
    """One step of a sequence inside a loop that goes over it."""
    field = _field(op, fields, 0)
    if field is None or len(field.places) != len(output.sizes) + 1:
        return unknown(op, fields, output)
    return contracted(field, [0], op.name).placed(field.places[1:])


def list_of(op: Op, fields: Fields, output: Tensor) -> Field:
    """A sequence of what every turn of a loop makes."""
    field = _field(op, fields, 2)
    if field is None:
        return unknown(op, fields, output)
    return field.placed([still(output.sizes[0]), *field.places])
