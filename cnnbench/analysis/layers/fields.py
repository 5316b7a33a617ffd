"""Receptive fields of layers: each function returns the field of one output of a call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from string import ascii_letters
from typing import TYPE_CHECKING

from cnnbench.analysis.graph import Op, Tensor
from cnnbench.analysis.receptive_field.algebra import (
    concatenated,
    contracted,
    joined,
    reshaped,
    windowed,
)
from cnnbench.analysis.receptive_field.field import Field, fixed_axis, of_input
from cnnbench.analysis.rule import Windows

if TYPE_CHECKING:
    from cnnbench.analysis.rule import Fields, Move


def known(op: Op, fields: Fields) -> list[Field]:
    """Return the fields of the inputs that have one."""
    return [fields[tensor] for tensor in op.inputs if tensor in fields]


def pointwise(op: Op, fields: Fields, output: Tensor) -> Field:
    """Join the inputs element by element."""
    return joined(known(op, fields), output.sizes, op.name)


def identity(op: Op, fields: Fields, output: Tensor) -> Field:
    """Pass the first input on."""
    return fields[op.input]


def axes_of(is_channels_first: bool, rank: int) -> tuple[range, int]:
    """Return the axes of positions, and the axis of channels."""
    return (range(2, rank), 1) if is_channels_first else (range(1, rank - 1), rank - 1)


def _axes(op: Op) -> tuple[range, int]:
    is_first = getattr(op.layer, "data_format", None) == "channels_first"
    return axes_of(is_first, len(op.input.sizes))


def by_windows(windows: Callable[[Op], Windows | None], mixes: bool = False) -> Move:
    """Return the rule for windows along the positions; with ``mixes`` they read all channels."""

    def move(op: Op, fields: Fields, output: Tensor) -> Field:
        positions, channel = _axes(op)
        field, found = fields[op.input], windows(op)
        if found is None:
            return field.without_positions(op.name, output.sizes)
        if mixes:
            field = contracted(field, [channel], op.name)
            field = field.with_size(channel, output.sizes[channel])
        return windowed(field, dict(zip(positions, found, strict=True)), output.sizes, op.name)

    return move


def pooled(op: Op, fields: Fields, output: Tensor) -> Field:
    """Pool all positions to one, or to the number of an adaptive pooling."""
    positions, _ = _axes(op)
    return reduced(fields[op.input], list(positions), output.sizes, op.name)


def reduced(field: Field, axes: Sequence[int], sizes: Sequence[int], name: str) -> Field:
    """Return the field after a reduction over some axes of the tensor."""
    field = contracted(field, axes, name)
    if len(sizes) == len(field.places):
        pairs = zip(field.places, sizes, strict=True)
        return field.placed(fixed_axis(n) if at in axes else p for at, (p, n) in enumerate(pairs))
    return field.placed(p for at, p in enumerate(field.places) if at not in axes)


def dense(op: Op, fields: Fields, output: Tensor) -> Field:
    """Contract the last axis, keep every other (``Dense``)."""
    last = len(op.input.sizes) - 1
    return contracted(fields[op.input], [last], op.name).with_size(last, output.sizes[-1])


def mixing(axes: Callable[[Op], Sequence[int]]) -> Move:
    """Return the rule for outputs that depend on all elements along some axes, which remain."""

    def move(op: Op, fields: Fields, output: Tensor) -> Field:
        return contracted(fields[op.input], axes(op), op.name)

    return move


def own_axes(op: Op) -> list[int]:
    """Return the ``axis`` of the layer as a list."""
    axis = getattr(op.layer, "axis", -1)
    axes = list(axis) if hasattr(axis, "__iter__") else [axis]
    return [each % len(op.input.sizes) for each in axes]


def all_but_batch(op: Op) -> list[int]:
    """Return every axis except the first."""
    return list(range(1, len(op.input.sizes)))


def reshape(op: Op, fields: Fields, output: Tensor) -> Field:
    """Keep the elements in order; an input without positions may get some (``Reshape``)."""
    field = fields[op.input]
    if field.plain and len(output.sizes) > 2:
        return of_input(output.sizes)
    return reshaped(field, op.input.sizes, output.sizes, op.name)


def permute(op: Op, fields: Fields, output: Tensor) -> Field:
    """``Permute``: the axes in another order, which counts from 1."""
    field = fields[op.input]
    return field.placed(field.places[axis] for axis in (0, *op.layer.dims))


def concatenate(op: Op, fields: Fields, output: Tensor) -> Field:
    """``Concatenate``: tensors side by side along an axis."""
    axis = op.layer.axis % len(output.sizes)
    widths = [tensor.sizes[axis] for tensor in op.inputs]
    parts = [fields.get(tensor) for tensor in op.inputs]
    return concatenated(parts, widths, axis, output.sizes, op.name)


def repeat_vector(op: Op, fields: Fields, output: Tensor) -> Field:
    """``RepeatVector``: copies along a new axis."""
    return fields[op.input].with_axis(1, fixed_axis(output.sizes[1]))


def embedding(op: Op, fields: Fields, output: Tensor) -> Field:
    """``Embedding``: every position is looked up by itself, and gets channels."""
    field = fields[op.input]
    if field.plain:
        return of_input(output.sizes)
    return field.placed([*field.places, fixed_axis(output.sizes[-1])])


def attention(op: Op, fields: Fields, output: Tensor) -> Field:
    """Mix the positions of the values that a query attends to."""
    leaves = [tensor for tensor in op.inputs[:3] if tensor in fields]
    axes = getattr(op.layer, "_attention_axes", None)
    found = []
    for tensor in leaves:
        rank = len(tensor.sizes)
        field = contracted(fields[tensor], [rank - 1], op.name)
        if tensor is not op.input or len(leaves) == 1 or op.inputs[1] is op.input:
            mixed = axes or range(1, rank - 1)
            field = contracted(field, [axis % rank for axis in mixed], op.name)
        found.append(field)
    behind = len(output.sizes) - len(op.input.sizes) + 1
    places = [fixed_axis(size) for size in output.sizes]
    if op.input in fields:
        places = [*fields[op.input].places[:-1], *places[-behind:]]
    flat = [field.placed([]) for field in found]
    return joined(flat, (), op.name).placed(places)


def recurrent(op: Op, fields: Fields, output: Tensor) -> Field:
    """Mix the whole sequence (recurrent layers); states have no steps."""
    field = contracted(fields[op.input], [1, 2], op.name)
    if len(output.sizes) == 3:
        return field.with_size(2, output.sizes[2])
    return field.placed([field.places[0], *map(fixed_axis, output.sizes[1:])])


def einsum(
    equation: str, operands: Sequence[tuple[Field | None, int]], sizes: Sequence[int], name: str
) -> Field:
    """Return the field of an einsum; each operand is a field (None for a weight) and a rank."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    # The number of axes that the dots of each term stand for.
    pairs = zip(terms, operands, strict=True)
    dotted = [rank - len(t.replace("...", "")) if "..." in t else 0 for t, (_, rank) in pairs]
    most = max(dotted)
    spare = [letter for letter in ascii_letters if letter not in equation][:most]
    full = [
        t.replace("...", "".join(spare[most - count :]))
        for t, count in zip(terms, dotted, strict=True)
    ]
    if not arrow:
        every = "".join(full)
        right = "..." + "".join(sorted(c for c in set(every) - set(spare) if every.count(c) == 1))
    out = right.replace("...", "".join(spare))
    found = []
    for term, (field, _) in zip(full, operands, strict=True):
        if field is None:
            continue
        if len(set(term)) < len(term):
            return field.without_positions(name, sizes)
        field = contracted(field, [at for at, c in enumerate(term) if c not in out], name)
        found.append(field.placed(field.places[term.index(c)] if c in term else () for c in out))
    return joined(found, sizes, name)


def einsum_dense(op: Op, fields: Fields, output: Tensor) -> Field:
    """Contract a tensor with a kernel (``EinsumDense``)."""
    rank = len(op.layer.kernel.shape)
    operands = [(fields[op.input], len(op.input.sizes)), (None, rank)]
    return einsum(op.layer.equation, operands, output.sizes, op.name)


def dot(op: Op, fields: Fields, output: Tensor) -> Field:
    """``Dot``: one axis of each is multiplied, the first is the batch."""
    axes = op.layer.axes
    first, second = (axes, axes) if isinstance(axes, int) else axes
    ranks = [len(tensor.sizes) for tensor in op.inputs]
    one = "a" + "bcdefg"[: ranks[0] - 1]
    two = "a" + "hijklm"[: ranks[1] - 1]
    two = two.replace(two[second % ranks[1]], one[first % ranks[0]])
    shared = one[first % ranks[0]]
    out = "a" + (one + two).replace("a", "").replace(shared, "")
    operands = [(fields.get(t), rank) for t, rank in zip(op.inputs, ranks, strict=True)]
    if len(out) != len(output.sizes):  # two vectors: one number, on an axis of its own
        return einsum(f"{one},{two}->a", operands, output.sizes[:1], op.name).placed(
            map(fixed_axis, output.sizes)
        )
    return einsum(f"{one},{two}->{out}", operands, output.sizes, op.name)


def time_distributed(op: Op, fields: Fields, output: Tensor) -> Field:
    """``TimeDistributed``: the layer inside, with the steps in the batch."""
    from cnnbench.analysis.layers.rules import find_rule

    inner = folded(op)
    rule = find_rule(op.layer.layer)
    field = reshaped(fields[op.input], op.input.sizes, inner.input.sizes, op.name)
    if rule is None or rule.move is None:
        return field.without_positions(op.name, output.sizes)
    made = rule.move(inner, {inner.input: field}, inner.output)
    return reshaped(made, inner.output.sizes, output.sizes, op.name)


def folded(op: Op) -> Op:
    """Return the call of the layer inside a ``TimeDistributed``, with the steps in the batch."""
    given, made = op.input, op.output
    rows = given.sizes[0] * given.sizes[1]
    return replace(
        op,
        kind=type(op.layer.layer).__name__,
        layer=op.layer.layer,
        inputs=(replace(given, sizes=(rows, *given.sizes[2:])),),
        outputs=(replace(made, sizes=(rows, *made.sizes[2:])),),
        args={},
    )
