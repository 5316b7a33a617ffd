"""Activation memory of training: forward tensors that the backward pass reads.

It is computed exactly from the gradient graph that TensorFlow would run, or estimated layer by
layer from the rules, which state the tensors that each gradient reads.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from math import prod
from typing import Any

from cnnbench.analysis import keras_api, keras_calls
from cnnbench.analysis.graph import Graph, Op, Tensor, item_bytes
from cnnbench.analysis.layers.elementwise import is_active
from cnnbench.analysis.listing.functions import CALLS, body_of, needed
from cnnbench.analysis.listing.trace import Values, converting, traced_graph

VIEWS = frozenset({"Reshape", "Squeeze", "ExpandDims", "Identity", "StopGradient"})


# Activations whose gradient reads their input, and how many intermediate tensors beside it, from
# the code of TensorFlow; the gradient of any other function reads its output.
_READ_INPUT = {
    **dict.fromkeys(("silu", "swish", "softplus", "leaky_relu"), 0),
    **dict.fromkeys(("hard_silu", "hard_swish", "gelu"), 2),
}


def estimate_training_bytes(graph: Graph, batch: int = 1, dtype: str | None = None) -> int:
    """Estimate the bytes that the gradients of all layers read.

    The rule of each layer states whether its gradient reads inputs or outputs (a convolution
    inputs, a ReLU outputs, an addition neither); every tensor is counted once. Layers
    before the first trained one keep nothing, and frozen layers only what the gradient passing
    through them reads. The outputs of the network are kept: the loss reads them.
    The error against ``traced_training_bytes`` is in ``docs/counting.md``.
    """
    owner: dict[Tensor, Tensor] = {}  # a view -> the tensor that it is a view of
    kept: dict[Tensor, None] = {}
    images = set(graph.inputs)
    differentiated: set[Tensor] = set()
    inside = 0
    repeated: dict[Tensor, int] = {}
    for position, op in enumerate(graph.ops):
        iterations = prod(one.iterations for one in graph.loops if one.start <= position < one.end)
        repeated.update(dict.fromkeys(op.outputs, iterations))
        is_passed_on = op.is_trained or not differentiated.isdisjoint(op.inputs)
        differentiated.update(op.outputs if is_passed_on else ())
        if op.rule is not None and op.rule.training_only:
            # The mask, a byte an element.
            inside += op.output.elements * batch // op.output.images * is_passed_on
        elif op.is_alias and op.inputs:
            owner.update({tensor: owner.get(op.input, op.input) for tensor in op.outputs})
        elif is_passed_on:
            tensors, elements = _needed(op)
            kept.update((owner.get(tensor, tensor), None) for tensor in tensors)
            inside += iterations * replace(op.output, sizes=(elements,)).bytes(batch, dtype)
    kept.update((owner.get(tensor, tensor), None) for tensor in graph.outputs)
    return inside + sum(
        tensor.bytes(batch, dtype) * repeated.get(tensor, 1)
        for tensor in kept
        if tensor not in images
    )


def _needed(op: Op) -> tuple[list[Tensor], int]:
    """Return what the gradient of ``op`` reads: tensors, and a number of intermediate elements."""
    if op.rule is None:
        return [*op.inputs, *op.outputs], 0
    tensors, inside = list[Tensor](), 0
    # A frozen batch normalisation takes its statistics as they are: it is linear then.
    if not op.rule.linear or getattr(op.layer, "trainable", True):
        tensors += op.inputs if "input" in op.rule.keeps else ()
        inside += op.rule.keeps_inside(op) if op.rule.keeps_inside else 0
    tensors += op.outputs if "output" in op.rule.keeps else ()
    if op.layer is not None and is_active(op.layer):
        intermediate = _READ_INPUT.get(getattr(op.layer.activation, "__name__", ""))
        if intermediate is None:
            tensors += op.outputs
        elif op.rule.weighted:  # the activation's input is made inside the layer
            inside += (intermediate + 1) * op.output.elements
        else:
            tensors += op.inputs
            inside += intermediate * op.output.elements
    return tensors, inside


def traced_training_bytes(model: Any, inputs: Any, batch: int = 1, dtype: str | None = None) -> int:
    """Return the bytes of the outputs and of all forward tensors that the gradient graph reads.

    The network is traced in training mode with symbolic weights, its outputs are differentiated
    with respect to every trainable weight, and the tensors that cross from the forward into the
    backward part are added up: each buffer once, however many views of it cross. The outputs are
    kept too, because the loss reads them. Images, weights and tensors computed from weights alone
    are not activations.

    Args:
        model: a Keras 2 or Keras 3 model.
        inputs: a structure of ``Spec`` as the model takes it.
        batch: images in a batch.
        dtype: replaces the type of floating-point activations.

    Raises:
        ValueError: a loop passes lists of unknown size to its gradient (recurrent layers).
    """
    import tensorflow as tf

    forward: list[Any] = []
    results: list[Any] = []

    def differentiate(values: Values, images: Any) -> list[Any]:
        with converting():
            outputs, sources = keras_calls.train(model, values, images)
        forward.extend(tf.compat.v1.get_default_graph().get_operations())
        results.extend(keras_api.flatten(outputs))
        return tf.gradients(results, sources)

    traced, images = traced_graph(differentiate, model, inputs, batch)
    _refuse_lists(traced, forward)
    activations = _depending(forward, images, (traced,))
    kept = [*_crossing(traced, forward), *results]
    unique = {_buffer(tensor): tensor for tensor in kept if tensor.ref() in activations}
    start = {_buffer(tensor) for tensor in traced.inputs}
    return sum(_bytes(tensor, dtype) for key, tensor in unique.items() if key not in start)


def _depending(ops: Iterable[Any], images: Iterable[Any], scopes: tuple[Any, ...]) -> set[Any]:
    """Return references to the tensors that depend on the images or on random numbers.

    Called functions are entered, as they may also pass weights through.
    ``scopes`` are the graphs around the operations.
    """
    found = {tensor.ref() for tensor in images}
    for op in ops:
        if "Random" not in op.type and not any(tensor.ref() in found for tensor in op.inputs):
            continue
        body = body_of(op, scopes) if op.type in CALLS else None
        outputs = op.outputs
        if body is not None:
            pairs = zip(op.inputs, body.inputs, strict=True)
            given = [inner for outer, inner in pairs if outer.ref() in found]
            inside = _depending(body.get_operations(), given, (body, *scopes))
            pairs = zip(op.outputs, body.outputs, strict=True)
            outputs = [outer for outer, inner in pairs if inner.ref() in inside]
        found.update(tensor.ref() for tensor in outputs)
    return found


def _crossing(graph: Any, forward: Iterable[Any]) -> list[Any]:
    """Return the forward tensors that operations of the backward part read.

    Operations that no gradient of a weight needs are pruned, as TensorFlow does: the gradients of
    constants (the 0.5 in GELU, the scale of a dropout) are in the graph but never run.
    """
    before = set(forward)
    return [
        tensor
        for op in needed(graph.outputs)
        if op not in before and op.type not in ("Shape", "ShapeN", "ZerosLike", "OnesLike")
        for tensor in op.inputs
        if tensor.op in before and tensor.dtype.size > 0
    ]


def _refuse_lists(graph: Any, forward: Iterable[Any]) -> None:
    """Raise if a loop keeps tensors of each iteration in lists, whose size is not in the graph."""
    before = set(forward)
    for op in graph.get_operations():
        for tensor in op.inputs if op not in before else ():
            if tensor.dtype.name == "variant" and tensor.op in before:
                raise ValueError(f"{tensor.op.name} keeps lists for the backward pass")


def _buffer(tensor: Any) -> str:
    """Return the name of the tensor whose memory ``tensor`` shares."""
    while tensor.op.type in VIEWS and tensor.op.inputs:
        tensor = tensor.op.inputs[0]
    return str(tensor.name)


def _bytes(tensor: Any, dtype: str | None) -> int:
    if tensor.shape.rank is None:
        return 0  # a resource or a list, not an activation
    elements = prod(size or 0 for size in tensor.shape.as_list())
    return elements * item_bytes(tensor.dtype.base_dtype.name, dtype)
