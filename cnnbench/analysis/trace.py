"""Counting what has no rule: trace it into a TensorFlow graph, without weights, and count that.

Functions that the graph calls are entered. What has neither a rule there is named.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cnnbench.analysis import keras_api
from cnnbench.analysis.graph import Op, Tensor
from cnnbench.analysis.trace_rules import FREE, RULES
from cnnbench.analysis.work import NOTHING, Work


@dataclass(frozen=True)
class Traced:
    """The arithmetic of a traced graph for one image, and the operations it could not count."""

    work: Work
    unknown: tuple[str, ...]


def trace(op: Op) -> Any | None:
    """The TensorFlow graph of one layer call on one image; None where it cannot be traced."""
    import tensorflow as tf

    specs = [tf.TensorSpec(tensor.sizes, tensor.dtype) for tensor in op.inputs]
    variables = _variables(op.layer)
    states = [tf.TensorSpec(v.shape, keras_api.dtype_of(v)) for v in variables]

    def run(states: list[Any], inputs: list[Any]) -> Any:
        values = dict(zip(op.inputs, inputs, strict=True))

        def real(leaf: Any) -> Any:
            return values[leaf] if isinstance(leaf, Tensor) else leaf

        args = keras_api.replace(list(op.args), real)
        kwargs = keras_api.replace(dict(op.kwargs), real)
        return _run(op.layer, variables, states, args, kwargs)

    try:
        with keras_api.without_warnings():
            return tf.function(run).get_concrete_function(states, specs).graph
    except Exception:  # a user's layer may do anything: what cannot be traced is named
        return None


def traced_shapes(op: Op) -> list[tuple[int | None, ...]] | None:
    """The output shapes of one image as TensorFlow knows them, or None where tracing fails."""
    graph = trace(op)
    if graph is None:
        return None
    return [tuple(tensor.shape.as_list()) for tensor in graph.outputs]


def _variables(layer: Any) -> list[Any]:
    """The Keras 3 variables of a layer, in the order in which ``_run`` wants them."""
    if keras_api.is_keras2(layer) or not hasattr(layer, "stateless_call"):
        return []
    return [*layer.trainable_variables, *layer.non_trainable_variables]


def _run(layer: Any, variables: list[Any], states: list[Any], args: list[Any], kwargs: Any) -> Any:
    if not hasattr(layer, "stateless_call") or keras_api.is_keras2(layer):
        return layer.call(*args, **kwargs)
    trainable = len(layer.trainable_variables)
    outputs, _ = layer.stateless_call(states[:trainable], states[trainable:], *args, **kwargs)
    return outputs


def count_graph(graph: Any) -> Traced:
    """The arithmetic of a TensorFlow graph and of the functions it calls."""
    work, unknown = NOTHING, list[str]()
    for node in nodes(graph):
        if node.type in FREE or not _on_numbers(node):
            continue
        rule = RULES.get(node.type)
        found = rule(node) if rule else None
        if found is None:
            unknown.append(node.type)
        else:
            work += found
    return Traced(work, tuple(dict.fromkeys(unknown)))


def nodes(graph: Any) -> Iterable[Any]:
    """All operations, those inside called functions in their caller's place."""
    for node in graph.get_operations():
        called = _called(node, graph)
        if called is None:
            yield node
        else:
            yield from nodes(called)


CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})


def _called(node: Any, graph: Any) -> Any | None:
    """The body of the function that ``node`` calls, or None where it calls none."""
    if node.type not in CALLS:
        return None
    from tensorflow.python.framework.function_def_to_graph import function_def_to_graph

    name = node.get_attr("f").name
    while graph is not None:
        if graph._is_function(name):
            definition = graph._get_function(name).cached_definition
            shapes = [tensor.shape for tensor in node.inputs]
            return function_def_to_graph(definition, shapes)
        graph = getattr(graph, "outer_graph", None)
    return None


def _on_numbers(node: Any) -> bool:
    """Whether it works on real or complex numbers; index arithmetic is not counted."""
    tensors = [*node.inputs, *node.outputs]
    return any(tensor.dtype.is_floating or tensor.dtype.is_complex for tensor in tensors)
