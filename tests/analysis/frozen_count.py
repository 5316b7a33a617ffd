"""A count of multiply-adds in a frozen graph: what a runtime that compiles the network is given.

The inference function is traced, its variables become constants, and Grappler prunes what no
output reads (``convert_variables_to_constants_v2``). What follows from constants alone, the same
for every image, is left out. Sizes that the graph does not state are taken from running it. Shares
no code with the package.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from tests.analysis.traced_count import graph_macs, reached


def frozen_macs(model: Any) -> int:
    """Multiply-adds of one image through a live model of either Keras generation."""

    def one_image(symbol: Any) -> tf.TensorSpec:
        return tf.TensorSpec((1, *symbol.shape[1:]), symbol.dtype)

    images = tf.nest.map_structure(one_image, model.input)
    forward = tf.function(lambda inputs: model(inputs, training=False))
    concrete = forward.get_concrete_function(images)
    frozen = convert_variables_to_constants_v2(concrete, lower_control_flow=False)
    _find_sizes(frozen)
    return graph_macs(frozen.graph, ops=_fed(frozen.graph))


def _fed(graph: Any) -> list[Any]:
    """The operations between images and outputs; a shape is known without the image."""
    fed = {tensor.op for tensor in graph.inputs}
    for op in graph.get_operations():  # readers come after what they read
        if op.type not in ("Shape", "ShapeN", "Size", "Rank"):
            fed |= {op} if any(tensor.op in fed for tensor in op.inputs) else set()
    return [op for op in reached(graph) if op in fed]


def _find_sizes(frozen: Any) -> None:
    """Run the graph on images of ones; tell every tensor of open size the size that it took."""
    tensors = [tensor for op in frozen.graph.get_operations() for tensor in op.outputs]
    fetched = [
        tensor
        for tensor in tensors
        if not tensor.shape.is_fully_defined()
        and tensor.dtype not in (tf.variant, tf.resource, tf.string)
    ]
    if not fetched:
        return
    run = frozen.prune(list(frozen.inputs), fetched)
    images = [tf.ones(tensor.shape, tensor.dtype) for tensor in frozen.inputs]
    for tensor, value in zip(fetched, run(*images), strict=True):
        tensor.set_shape(value.shape)
