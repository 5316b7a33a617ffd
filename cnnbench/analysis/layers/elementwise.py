"""Normalisation, activations and merges: a fixed number of operations per element."""

from __future__ import annotations

from cnnbench.analysis.graph import Op
from cnnbench.analysis.layers.convolution import is_active
from cnnbench.analysis.work import Work


def batch_norm(op: Op) -> Work:
    """One multiplication and one addition per element, with stored statistics."""
    return Work(batch_norm=op.output.elements)


def layer_norm(op: Op) -> Work:
    """As ``batch_norm`` by the papers' convention; other sources count the statistics too."""
    return Work(layer_norm=op.output.elements)


def unary(op: Op) -> Work:
    """One operation an element."""
    return Work(elementwise=op.output.elements)


def activation(op: Op) -> Work:
    """One operation an element, whichever function; none for the identity."""
    return Work(elementwise=op.output.elements if is_active(op.layer) else 0)


def masking(op: Op) -> Work:
    """Every element is compared; a step is kept if any differs; every element is multiplied."""
    return Work(elementwise=2 * op.output.elements, pooling=op.input.elements)


def rescaling(op: Op) -> Work:
    """A multiplication and an addition an element."""
    return Work(elementwise=2 * op.output.elements)


def scaled_sum(op: Op) -> Work:
    """One input plus a constant times the other: two operations an element."""
    return Work(elementwise=2 * op.output.elements)


def merge(op: Op) -> Work:
    """``inputs - 1`` operations an output element."""
    return Work(elementwise=(len(op.inputs) - 1) * op.output.elements)


def average(op: Op) -> Work:
    """The sum, and one division an output element."""
    return Work(elementwise=len(op.inputs) * op.output.elements)


def binary(op: Op) -> Work:
    """One operation an output element, with a tensor or with a constant."""
    return Work(elementwise=op.output.elements)


def reduction(op: Op) -> Work:
    """Every input element is read once."""
    return Work(pooling=op.input.elements)


def output_elements(op: Op) -> int:
    """As many elements as the output has."""
    return op.output.elements
