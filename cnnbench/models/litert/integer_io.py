"""Integer inputs and outputs, for hardware that computes with nothing else.

The converter writes int8 files with float32 inputs and outputs: a QUANTIZE operator follows the
input, a DEQUANTIZE operator precedes each output. Without these two the same graph takes and
returns int8.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cnnbench.models.litert import flatbuffer

_MOST_NAMED = 8


def with_integer_io(model: Any) -> Any:
    """Return ``model``, a ``ModelT``, with int8 inputs and outputs; it is changed.

    Raises:
        ValueError: an operator of it computes in floating point; the message names them.
    """
    graph = model.subgraphs[0]
    kinds = [flatbuffer.kind_of(code)[0] for code in model.operatorCodes]
    read = {int(index) for operator in graph.operators for index in operator.inputs}
    moved: dict[int, int] = {}
    kept = []
    for operator in graph.operators:
        kind = kinds[operator.opcodeIndex]
        source, target = int(operator.inputs[0]), int(operator.outputs[0])
        if kind == "QUANTIZE" and source in graph.inputs and _is_int8(graph, target):
            first = moved.setdefault(source, target)
            _check_same(graph, first, target)
            moved.setdefault(target, first)
        elif (
            kind == "DEQUANTIZE"
            and target in graph.outputs
            and target not in read
            and _is_int8(graph, source)
        ):
            moved[target] = source
        else:
            kept.append(operator)
    graph.operators = kept
    for operator in kept:
        operator.inputs = _replaced(operator.inputs, moved)
    graph.inputs = _replaced(graph.inputs, moved)
    graph.outputs = _replaced(graph.outputs, moved)
    for signature in model.signatureDefs or ():
        for tensor in (*(signature.inputs or ()), *(signature.outputs or ())):
            tensor.tensorIndex = moved.get(int(tensor.tensorIndex), int(tensor.tensorIndex))
    check_integer_only(model)
    return model


def check_integer_only(model: Any) -> None:
    """Make sure that nothing in ``model`` is computed in floating point.

    Raises:
        ValueError: an operator reads or writes floating-point numbers; the message names them.
    """
    found = flatbuffer.float_operators(model)
    if found:
        more = len(found) - _MOST_NAMED
        named = ", ".join(found[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
        raise ValueError(f"{len(found)} of its operators stay in floating point: {named}")
    graph = flatbuffer.graph_of(model)
    for tensor in (*graph.inputs, *graph.outputs):
        if tensor.is_float:
            raise ValueError(f"'{tensor.name}' stays in floating point")


def in_integers(values: np.ndarray, dtype: Any, scale: float, zero_point: int) -> np.ndarray:
    """Return ``values`` in integers of ``dtype``: divided by the scale, rounded and clipped."""
    limits = np.iinfo(dtype)
    scaled = np.round(values / np.float32(scale)) + zero_point
    return np.clip(scaled, limits.min, limits.max).astype(dtype)


def dequantised(values: np.ndarray, scale: float, zero_point: int) -> np.ndarray:
    """Return the numbers that the integers of a quantised tensor stand for, float32."""
    return (np.float32(scale) * (values.astype(np.int32) - zero_point)).astype(np.float32)


def _is_int8(graph: Any, index: int) -> bool:
    return flatbuffer.names("TensorType")[graph.tensors[index].type] == "INT8"


def _check_same(graph: Any, first: int, second: int) -> None:
    """Make sure that an input is quantised in one way only."""
    one, other = (graph.tensors[index].quantization for index in (first, second))
    if not (
        np.array_equal(one.scale, other.scale) and np.array_equal(one.zeroPoint, other.zeroPoint)
    ):
        raise ValueError("its input is quantised in two ways")


def _replaced(indices: Any, moved: dict[int, int]) -> list[int]:
    found = [int(index) for index in indices]
    return [moved.get(index, index) for index in found]
