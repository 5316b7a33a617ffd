"""Normalisation, activations and merges: a fixed number of operations per element."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cnnbench.analysis.graph import Op
from cnnbench.analysis.work import Work


def is_active(layer: Any) -> bool:
    """Return whether a layer ends in an activation other than the identity."""
    activation = getattr(layer, "activation", None)
    return activation is not None and getattr(activation, "__name__", "") != "linear"


def ending(layer: Any, outputs: int) -> Work:
    """Count the bias add and the activation, each once per output element."""
    bias = outputs if getattr(layer, "use_bias", False) else 0
    return Work(bias=bias, elementwise=outputs if is_active(layer) else 0)


def each_output(times: int, kind: str = "elementwise") -> Callable[[Op], Work]:
    """Return the rule for ``times`` operations per output element."""
    return lambda op: Work(**{kind: times * op.output.elements})


def activation(op: Op) -> Work:
    """One operation an element, whichever function; none for the identity."""
    return Work(elementwise=op.output.elements if is_active(op.layer) else 0)


def masking(op: Op) -> Work:
    """Every element is compared; a step is kept if any differs; every element is multiplied."""
    return Work(elementwise=2 * op.output.elements, pooling=op.input.elements)


def merge(op: Op) -> Work:
    """``inputs - 1`` operations an output element."""
    return Work(elementwise=(len(op.inputs) - 1) * op.output.elements)


def average(op: Op) -> Work:
    """The sum, and one division an output element."""
    return Work(elementwise=len(op.inputs) * op.output.elements)


def output_elements(op: Op) -> int:
    """Return the number of elements of the output."""
    return op.output.elements
