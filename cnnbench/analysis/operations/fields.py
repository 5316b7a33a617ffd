"""Receptive fields of TensorFlow operations: each function returns that of one output."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnbench.analysis.graph import Op, Tensor
from cnnbench.analysis.layers import fields as layer_fields
from cnnbench.analysis.receptive_field import algebra
from cnnbench.analysis.receptive_field.algebra import contracted
from cnnbench.analysis.receptive_field.field import Field, fixed_axis, moving, of_input

if TYPE_CHECKING:
    from cnnbench.analysis.rule import Fields, Move


class NotFollowed(Exception):
    """Raised if the field of an operation depends on values that are not constant."""


def node_of(op: Op) -> Any:
    """Return the TensorFlow operation of ``op``."""
    return op.nodes[0][0]


def field_of(op: Op, fields: Fields, place: int) -> Field | None:
    """Return the field of an operand; None if it depends on no input of the network."""
    tensor = op.args["values"][place]
    return None if tensor is None else fields.get(tensor)


def followed(op: Op, fields: Fields, place: int) -> Field:
    """Return the field of an operand; raise `NotFollowed` if it depends on no input."""
    field = field_of(op, fields, place)
    if field is None:
        raise NotFollowed
    return field


def constant(op: Op, place: int) -> Any:
    """Return the value of a constant operand; raise `NotFollowed` if it is not constant."""
    import tensorflow as tf

    value = tf.get_static_value(node_of(op).inputs[place])
    if value is None:
        raise NotFollowed
    return value


def before_of(op: Op, place: int = 0) -> tuple[int, ...]:
    """Return the sizes of an operand, 0 for an unknown size."""
    return tuple(size or 0 for size in node_of(op).inputs[place].shape.as_list())


def unknown(op: Op, fields: Fields, output: Tensor) -> Field:
    """Operation without a rule: the field is lost unless it is the same at every position."""
    return algebra.unruled(layer_fields.known(op, fields), output.sizes, op.name)


def or_unknown(move: Move) -> Move:
    """Return ``move``, or `unknown` where it raises `NotFollowed`."""

    def moved(op: Op, fields: Fields, output: Tensor) -> Field:
        try:
            return move(op, fields, output)
        except NotFollowed:
            return unknown(op, fields, output)

    return moved


def first(op: Op, fields: Fields, output: Tensor) -> Field:
    """Follow the first operand element by element; other outputs are statistics."""
    field = fields[op.input]
    if len(output.sizes) == len(field.places):
        return algebra.joined([field], output.sizes, op.name)
    return field.placed(map(fixed_axis, output.sizes))


def softmax(op: Op, fields: Fields, output: Tensor) -> Field:
    """Mix the last axis (Softmax)."""
    return contracted(fields[op.input], [len(output.sizes) - 1], op.name)


def matmul(op: Op, fields: Fields, output: Tensor) -> Field:
    """Contract the last axis of one operand with the last but one of the other (MatMul)."""
    node = node_of(op)
    names = ("transpose_a", "transpose_b") if node.type == "MatMul" else ("adj_x", "adj_y")
    left = "ji" if node.get_attr(names[0]) else "ij"
    right = "kj" if node.get_attr(names[1]) else "jk"
    return _einsum(op, fields, output, f"...{left},...{right}->...ik")


def einsum(op: Op, fields: Fields, output: Tensor) -> Field:
    """Contract by an equation (Einsum)."""
    return _einsum(op, fields, output, node_of(op).get_attr("equation").decode())


def _einsum(op: Op, fields: Fields, output: Tensor, equation: str) -> Field:
    count = len(node_of(op).inputs)
    operands = [(field_of(op, fields, place), len(before_of(op, place))) for place in range(count)]
    return layer_fields.einsum(equation, operands, output.sizes, op.name)


def reduced(op: Op, fields: Fields, output: Tensor) -> Field:
    """Contract some axes (Sum, Mean, Max)."""
    axes, rank = constant(op, 1), len(before_of(op))
    chosen = [int(axis) % rank for axis in np.ravel(axes)]
    return layer_fields.reduced(followed(op, fields, 0), chosen, output.sizes, op.name)


def cumulative(op: Op, fields: Fields, output: Tensor) -> Field:
    """Mix an axis: every output depends on the positions before it (Cumsum)."""
    axis = int(constant(op, 1)) % len(output.sizes)
    return contracted(fields[op.input], [axis], op.name)


def transpose(op: Op, fields: Fields, output: Tensor) -> Field:
    """Permute the axes (Transpose)."""
    order, field = constant(op, 1), fields[op.input]
    return field.placed(field.places[int(axis)] for axis in order)


def sliced(op: Op, fields: Fields, output: Tensor) -> Field:
    """Take a part of some axes (Slice, StridedSlice)."""
    field, before = followed(op, fields, 0), before_of(op)
    starts, dropped, added = (
        [(int(start), 1) for start in constant(op, 1)],
        list[int](),
        list[int](),
    )
    if node_of(op).type == "StridedSlice":
        starts, dropped, added = _strided(op, len(before))
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


def _strided(op: Op, rank: int) -> tuple[list[tuple[int, int]], list[int], list[int]]:
    """Return start and step per axis, the dropped axes and the added axes of a StridedSlice."""
    node = node_of(op)
    begin, steps = constant(op, 1), constant(op, 3)
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
    """Take one part of an axis (Split, SplitV)."""
    axis_at, field_at = (0, 1) if node_of(op).type == "Split" else (2, 0)
    place = int(constant(op, axis_at)) % len(output.sizes)
    field = followed(op, fields, field_at)
    start = sum(made.sizes[place] for made in op.outputs[: _place(op, output)])
    return algebra.sliced(field, place, start, 1, output.sizes[place], op.name)


def concat(op: Op, fields: Fields, output: Tensor) -> Field:
    """Join tensors along an axis (Concat)."""
    is_new = node_of(op).type == "ConcatV2"
    count = len(op.args["values"])
    axis = constant(op, count - 1 if is_new else 0)
    operands = range(count - 1) if is_new else range(1, count)
    place = int(axis) % len(output.sizes)
    widths = [before_of(op, operand)[place] for operand in operands]
    parts = [field_of(op, fields, operand) for operand in operands]
    return algebra.concatenated(parts, widths, place, output.sizes, op.name)


def pack(op: Op, fields: Fields, output: Tensor) -> Field:
    """Join tensors along a new axis (Pack)."""
    place = int(node_of(op).get_attr("axis")) % len(output.sizes)
    sizes = output.sizes[:place] + output.sizes[place + 1 :]
    field = algebra.joined(layer_fields.known(op, fields), sizes, op.name)
    return field.with_axis(place, fixed_axis(output.sizes[place]))


def unpack(op: Op, fields: Fields, output: Tensor) -> Field:
    """Take one position of an axis and drop the axis (Unpack)."""
    field = fields[op.input]
    place = int(node_of(op).get_attr("axis")) % len(field.places)
    field = algebra.sliced(field, place, _place(op, output), 1, 1, op.name)
    return field.placed([*field.places[:place], *field.places[place + 1 :]])


def _place(op: Op, output: Tensor) -> int:
    """Return which of the outputs of ``op`` is ``output``."""
    return next(at for at, made in enumerate(op.outputs) if made is output)


def tiled(op: Op, fields: Fields, output: Tensor) -> Field:
    """Repeat the tensor along some axes (Tile)."""
    field = fields[op.input]
    places = [
        (*fixed_axis(size // old if old else 1), *place)
        for place, size, old in zip(field.places, output.sizes, before_of(op), strict=True)
    ]
    return field.placed(places)


def gathered(op: Op, fields: Fields, output: Tensor) -> Field:
    """Take elements of an axis, or rows of a table by indices from the data (Gather)."""
    table, rows = field_of(op, fields, 0), field_of(op, fields, 1)
    if table is None and rows is not None:
        if rows.plain:
            return of_input(output.sizes)
        behind = output.sizes[len(rows.places) :]
        return rows.placed([*rows.places, *map(fixed_axis, behind)])
    axis = constant(op, 2) if len(op.args["values"]) > 2 else 0
    if table is None or rows is not None:
        raise NotFollowed
    place = int(axis) % len(table.places)
    if any(factor.size > 1 for factor in moving([table.places[place]])):
        windows = algebra.cut(table.places[place], constant(op, 1))
        if windows is None:
            return table.without_positions(op.name, output.sizes)
        return table.placed([*table.places[:place], windows, *table.places[place + 1 :]])
    new = len(output.sizes) - len(table.places) + 1
    made = map(fixed_axis, output.sizes[place : place + new])
    return table.placed([*table.places[:place], *made, *table.places[place + 1 :]])


def one_hot(op: Op, fields: Fields, output: Tensor) -> Field:
    """Add an axis of classes (OneHot)."""
    axis = int(node_of(op).get_attr("axis")) % len(output.sizes)
    return fields[op.input].with_axis(axis, fixed_axis(output.sizes[axis]))


def list_get_item(op: Op, fields: Fields, output: Tensor) -> Field:
    """Take one step of a sequence in a loop over it (TensorListGetItem)."""
    field = followed(op, fields, 0)
    if len(field.places) != len(output.sizes) + 1:
        raise NotFollowed
    loop_axis = field.places[0] if moving(field.places[:1]) else ()
    return replace(field.placed(field.places[1:]), loop_axis=loop_axis)


def list_set_item(op: Op, fields: Fields, output: Tensor) -> Field:
    """Collect one step per iteration of a loop (TensorListSetItem)."""
    field = followed(op, fields, 2)
    if field.loop_axis and prod(factor.size for factor in field.loop_axis) == output.sizes[0]:
        return replace(field.with_axis(0, field.loop_axis), loop_axis=())
    # A list of one: a state.
    return algebra.carried(field, op.name).with_axis(0, fixed_axis(output.sizes[0]))
