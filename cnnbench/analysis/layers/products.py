"""Dense layers, matrix products and recurrence."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

from cnnbench.analysis import keras_api
from cnnbench.analysis.graph import Op
from cnnbench.analysis.layers.convolution import split
from cnnbench.analysis.layers.elementwise import ending, is_active
from cnnbench.analysis.layers.fields import folded
from cnnbench.analysis.work import NOTHING, Work


def dense(op: Op) -> Work:
    """``outputs x in`` multiply-adds: on a tensor of any rank the last axis is multiplied."""
    outputs = op.output.elements
    return Work(macs=outputs * op.input.sizes[-1]) + ending(op.layer, outputs)


def einsum_dense(op: Op) -> Work | None:
    """``outputs x (product of the axes that are summed over)``."""
    outputs = op.output.elements
    summed = contracted(op.layer.equation, [op.input.sizes])
    if summed is None:
        return None
    bias = outputs if getattr(op.layer, "bias_axes", None) else 0
    active = outputs if is_active(op.layer) else 0
    return Work(macs=outputs * summed, bias=bias, elementwise=active)


def contracted(equation: str, shapes: list[tuple[int, ...]]) -> int | None:
    """Return the product of the sizes of the axes that ``equation`` sums over.

    ``shapes`` are those of the first operands; None if an axis is in none of them. Without an
    arrow, axes that occur twice are summed.
    """
    left, arrow, right = equation.replace(" ", "").partition("->")
    right = right if arrow else "".join(axis for axis in left if left.count(axis) == 1)
    sizes: dict[str, int] = {}
    for term, shape in zip(left.split(","), shapes, strict=False):
        before, _, after = term.partition("...")
        sizes.update(zip(before, shape, strict=False))
        sizes.update(zip(reversed(after), reversed(shape), strict=False))
    summed = set(left) - set(right) - {",", "."}
    return prod(sizes[axis] for axis in summed) if summed <= set(sizes) else None


def dot(op: Op) -> Work | None:
    """``Dot``: ``outputs x (size of the axis that is multiplied)``.

    With ``normalize``, every element is squared, summed and scaled before.
    """
    axes = op.layer.axes
    axis = axes if isinstance(axes, int) else axes[0]
    scaled = 3 * sum(tensor.elements for tensor in op.inputs) if op.layer.normalize else 0
    return Work(macs=op.output.elements * op.input.sizes[axis], elementwise=scaled)


def recurrent(op: Op) -> Work | None:
    """``steps x`` the work of the cell, or of the stack of cells."""
    source = op.input.sizes
    rows, width = source[0] * source[1], source[-1]
    total = NOTHING
    for cell in getattr(op.layer.cell, "cells", [op.layer.cell]):
        step = _cell(cell, width)
        if step is None:
            return None
        total += step * rows
        width = cell.units
    return total


def _cell(cell: Any, width: int) -> Work | None:
    """One step of a cell for one row: ``gates x units x (in + units)`` multiply-adds.

    LSTM: 4 gates, 5 activations, 4 additions of the two products, 4 operations on the state.
    GRU: 3 gates, 3 activations, 3 additions, 5 on the state; ``reset_after`` has two biases.
    Simple: 1 gate, 1 activation, 1 addition.
    """
    gates, operations = {
        "LSTMCell": (4, 13),
        "GRUCell": (3, 11),
        "SimpleRNNCell": (1, 2),
    }.get(type(cell).__name__, (0, 0))
    if not gates or not keras_api.comes_with_keras(type(cell)):
        return None
    units = cell.units
    biases = 2 if getattr(cell, "reset_after", False) else 1
    return Work(
        macs=gates * units * (width + units),
        bias=gates * units * biases if cell.use_bias else 0,
        elementwise=operations * units,
    )


def conv_lstm(op: Op) -> Work:
    """``steps x 4 filters x out_h x out_w x (k_h x k_w) x (channels + filters)``, gates as LSTM."""
    cell = op.layer.cell
    channels = split(op.layer, op.input, 2)[1]
    positions, _ = split(op.layer, op.output, 2 if op.layer.return_sequences else 1)
    units = cell.filters * prod(positions)
    step = Work(
        macs=4 * units * prod(cell.kernel_size) * (channels + cell.filters),
        bias=4 * units if cell.use_bias else 0,
        elementwise=13 * units,
    )
    return step * (op.input.sizes[0] * op.input.sizes[1])


def time_distributed(op: Op) -> Work | None:
    """``TimeDistributed``: the layer inside, once a step."""
    from cnnbench.analysis.layers.rules import find_rule, has_own_arithmetic

    rule = find_rule(op.layer.layer)
    if rule is None or has_own_arithmetic(op.layer.layer) or len(op.inputs) > 1:
        return None
    return rule.count(folded(op))


def bidirectional(op: Op) -> Work | None:
    """Both directions, and one operation per element unless they are concatenated."""
    total = NOTHING
    for layer in (op.layer.forward_layer, op.layer.backward_layer):
        count = conv_lstm if type(layer).__name__.startswith("ConvLSTM") else recurrent
        one = count(replace(op, layer=layer))
        if one is None:
            return None
        total += one
    merges = {"sum": 1, "mul": 1, "ave": 2}.get(op.layer.merge_mode or "", 0)
    return total + Work(elementwise=merges * op.output.elements)
