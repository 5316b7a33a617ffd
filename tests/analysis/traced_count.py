"""A second count of multiply-adds, from the TensorFlow graph: shares no code with the package.

Works on the operations that TensorFlow runs, where the package works on Keras layers, and from
the sizes of kernels and operands, where the package works from layer configurations.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from math import prod
from typing import Any

import tensorflow as tf
from tensorflow.python.framework.function_def_to_graph import function_def_to_graph


def traced_macs(model: Any) -> int:
    """Multiply-adds of one image through a Keras 3 model built in a ``StatelessScope``."""
    images = [tf.TensorSpec((1, *x.shape[1:]), x.dtype) for x in model.inputs]

    trainable = [tf.TensorSpec(v.shape, v.dtype) for v in model.trainable_variables]
    others = [tf.TensorSpec(v.shape, v.dtype) for v in model.non_trainable_variables]

    @tf.function
    def forward(a: Any, b: Any, x: Any) -> Any:
        return model.stateless_call(a, b, x if len(x) > 1 else x[0], training=False)[0]

    return graph_macs(forward.get_concrete_function(trainable, others, images).graph)


def graph_macs(graph: Any, *outside: Any, ops: Collection[Any] | None = None) -> int:
    """Multiply-adds of a graph, or of some of its operations; functions are entered."""
    total = 0
    for op in reached(graph) if ops is None else ops:
        if op.type in ("PartitionedCall", "StatefulPartitionedCall"):
            total += graph_macs(_body(op, "f", graph, *outside), graph, *outside)
        elif op.type in ("While", "StatelessWhile"):
            total += _steps(op) * graph_macs(_body(op, "body", graph, *outside), graph, *outside)
        elif op.type in _COUNTS:
            total += _COUNTS[op.type](op)
        else:
            assert not any(word in op.type for word in _UNKNOWN), op.type
    return total


def reached(graph: Any) -> list[Any]:
    """The operations on the way to an output; TensorFlow cuts off all others before it runs."""
    seen: dict[Any, None] = {}

    def visit(ops: list[Any]) -> None:
        for op in ops:
            if op not in seen:
                seen[op] = None
                visit([x.op for x in op.inputs] + list(op.control_inputs))

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, 10 * len(graph.get_operations())))
    visit([x.op for x in graph.outputs])
    sys.setrecursionlimit(limit)
    return list(seen)


def _body(op: Any, attribute: str, *graphs: Any) -> Any:
    """The graph of the function that ``op`` calls or repeats, for the shapes it is given."""
    name = op.get_attr(attribute).name
    function = next(f for graph in graphs if (f := graph._get_function(name)) is not None)
    body = getattr(function, "graph", None)
    if body is not None and all(x.shape.is_fully_defined() for x in body.inputs):
        return body
    shapes = [x.shape for x in op.inputs]
    return function_def_to_graph(function.cached_definition, input_shapes=shapes)


def _steps(loop: Any) -> int:
    """The length of the sequence: the leading axis of the list that the loop reads."""
    lists = [x.op for x in loop.inputs if x.op.type == "TensorListFromTensor"]
    (steps,) = {int(one.inputs[0].shape[0]) for one in lists}
    return steps


def _dims(tensor: Any) -> list[int]:
    return [int(size) for size in tensor.shape]


def _forward_convolution(op: Any) -> int:
    """Every position of the output applies the whole kernel once."""
    output = op.outputs[0]
    for reader in output.consumers():
        if reader.type == "BatchToSpaceND":
            output = reader.outputs[0]
    return prod(_dims(output)[:-1]) * prod(_dims(op.inputs[1]))


def _transposed_convolution(op: Any) -> int:
    """Every position of the input applies the whole kernel once."""
    return prod(_dims(op.inputs[2])[:-1]) * prod(_dims(op.inputs[1]))


def _matrix_product(op: Any) -> int:
    """Every element of the first operand meets every column of the second."""
    return prod(_dims(op.inputs[0])) * _dims(op.outputs[0])[-1]


def _einsum(op: Any) -> int:
    """The product of the sizes of all axes that occur."""
    left = op.get_attr("equation").decode().split("->")[0].split(",")
    sizes: dict[str, int] = {}
    for term, tensor in zip(left, op.inputs, strict=True):
        sizes |= dict(zip(term, _dims(tensor), strict=True))
    return prod(sizes.values())


# What else may multiply, and has no count here.
_UNKNOWN = ("Conv", "MatMul", "Einsum", "Call", "While", "If", "Case")

_COUNTS = {
    "Conv2D": _forward_convolution,
    "Conv3D": _forward_convolution,
    "DepthwiseConv2dNative": _forward_convolution,
    "Conv2DBackpropInput": _transposed_convolution,
    "Conv3DBackpropInputV2": _transposed_convolution,
    "MatMul": _matrix_product,
    "BatchMatMul": _matrix_product,
    "BatchMatMulV2": _matrix_product,
    "BatchMatMulV3": _matrix_product,
    "Einsum": _einsum,
}
