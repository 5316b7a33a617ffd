"""Counting what has no rule: trace it into a TensorFlow graph, without weights, and count that.

Functions that the graph calls are entered. What has neither a rule there is named.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cnnbench.analysis import keras_api
from cnnbench.analysis.graph import Op
from cnnbench.analysis.trace_rules import FREE, IN_PLACE, MOVING, PRODUCTS, RULES
from cnnbench.analysis.work import NOTHING, Work


@dataclass(frozen=True)
class Traced:
    """The arithmetic of a traced graph for one image, and the operations it could not count."""

    work: Work
    unknown: tuple[str, ...]


def trace(op: Op) -> Any | None:
    """The TensorFlow graph of one layer call on one image; None where it cannot be traced.

    At inference, whatever the layer's own default is. Variables come in from outside: the value of
    one that was never allocated would otherwise be drawn by its initialiser inside the graph.
    """
    import tensorflow as tf

    leaves = keras_api.flatten([list(op.args), dict(op.kwargs)])
    loose = [leaf for leaf in leaves if keras_api.is_variable(leaf)]
    owned = _variables(op.layer)
    images = [tf.TensorSpec(tensor.sizes, tensor.dtype) for tensor in op.inputs]
    states, operands = _specs(owned), _specs(loose)

    def run(states: list[Any], operands: list[Any], inputs: list[Any]) -> Any:
        values = dict(zip(map(id, (*op.inputs, *loose)), (*inputs, *operands), strict=True))

        def real(leaf: Any) -> Any:
            return values.get(id(leaf), leaf)

        args = keras_api.replace(list(op.args), real)
        kwargs = keras_api.replace(dict(op.kwargs), real)
        return _run(op.layer, owned, states, args, keras_api.at_inference(op.layer, args, kwargs))

    try:
        with keras_api.without_warnings():
            return tf.function(run).get_concrete_function(states, operands, images).graph
    except Exception:  # a user's layer may do anything: what cannot be traced is named
        return None


def _specs(variables: list[Any]) -> list[Any]:
    import tensorflow as tf

    return [tf.TensorSpec(v.shape, keras_api.dtype_of(v)) for v in variables]


def traced_shapes(op: Op) -> list[tuple[int | None, ...]] | None:
    """The output shapes of one image as TensorFlow knows them, or None where it does not."""
    graph = trace(op)
    if graph is None or any(tensor.shape.rank is None for tensor in graph.outputs):
        return None
    return [tuple(tensor.shape.as_list()) for tensor in graph.outputs]


def trace_stays(op: Op) -> bool:
    """Whether a layer call works position by position: nothing in its trace moves or joins any."""
    before, after = op.input.sizes[1:-1], op.output.sizes[1:-1]
    if not op.input.spatial or set(before) == {1}:
        return True
    graph = trace(op) if before == after else None
    return graph is not None and all(
        node.type in FREE - MOVING or node.type in IN_PLACE for node, _ in nodes(graph)
    )


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
    for node, times in nodes(graph):
        rule = RULES.get(node.type)
        if node.type in FREE or not (_on_numbers(node) or node.type in PRODUCTS):
            continue
        found = rule(node) if rule else None
        if found is None:
            unknown.append(node.type)
        else:
            work += found * times
    return Traced(work, tuple(dict.fromkeys(unknown)))


def nodes(graph: Any, times: int = 1, outside: tuple[Any, ...] = ()) -> Iterator[tuple[Any, int]]:
    """All operations that the outputs need, and how often each runs.

    Those of a called function stand in their caller's place, those of a loop's body run once a
    turn; a loop of unknown length is listed itself. ``outside`` are the graphs around this one.
    """
    scopes = (graph, *outside)
    wanted = needed(graph)
    for node in graph.get_operations():
        if node not in wanted:  # Keras runs a first step aside to see its shape: it is cut off
            continue
        turns = _turns(node) if node.type in LOOPS else 1
        body = body_of(node, scopes) if turns is not None else None
        if body is None:
            yield node, times
        else:
            yield from nodes(body, times * (turns or 0), scopes)


def needed(graph: Any) -> set[Any]:
    """The operations that lead to the outputs of ``graph``."""
    found: set[Any] = set()
    waiting = [tensor.op for tensor in graph.outputs]
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += [*(tensor.op for tensor in node.inputs), *node.control_inputs]
    return found


CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
LOOPS = frozenset({"While", "StatelessWhile"})


def _turns(loop: Any) -> int | None:
    """How often a loop runs, from the most turns it may take; None where that is not known.

    Loops over the steps of a sequence (``RNN``, ``tf.map_fn``) always take them all.
    """
    import tensorflow as tf

    most = loop.inputs[1]
    if most.op.type == "Max":  # of a scalar, as Keras writes the length of a sequence
        most = most.op.inputs[0]
    value = tf.get_static_value(most)
    return int(value) if value is not None and value.ndim == 0 and value >= 0 else None


def body_of(node: Any, scopes: tuple[Any, ...]) -> Any | None:
    """The function that ``node`` calls or repeats, or None where it does neither."""
    if node.type not in CALLS and node.type not in LOOPS:
        return None
    name = node.get_attr("body" if node.type in LOOPS else "f").name
    for graph in scopes:
        while graph is not None:
            function = graph._get_function(name) if graph._is_function(name) else None
            if function is not None:
                return _function_graph(function, node)
            graph = getattr(graph, "outer_graph", None)
    return None


def _function_graph(function: Any, node: Any) -> Any:
    """A function's graph as it was traced; made anew for the caller's shapes where those say more.

    What was traced knows the shapes of variables that a definition alone has forgotten.
    """
    traced = getattr(function, "graph", None)
    if traced is not None and (
        node.type in LOOPS or all(x.shape.is_fully_defined() for x in traced.inputs)
    ):
        return traced
    from tensorflow.python.framework.function_def_to_graph import function_def_to_graph

    return function_def_to_graph(function.cached_definition, [x.shape for x in node.inputs])


def _on_numbers(node: Any) -> bool:
    """Whether it works on real or complex numbers; index arithmetic is not counted."""
    tensors = [*node.inputs, *node.outputs]
    return any(tensor.dtype.is_floating or tensor.dtype.is_complex for tensor in tensors)
