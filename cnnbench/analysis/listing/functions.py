"""Nested TensorFlow graphs: the operations they need, and the bodies of calls and loops."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
LOOPS = frozenset({"While", "StatelessWhile"})
CONDITIONS = frozenset({"If", "StatelessIf", "Case", "StatelessCase"})


def needed(outputs: Iterable[Any], is_run: bool = True) -> set[Any]:
    """Return the operations that ``outputs`` depend on; TensorFlow prunes all others.

    Args:
        outputs: tensors of one graph.
        is_run: include control dependencies, which run before but pass no value.
    """
    found: set[Any] = set()
    waiting = [tensor.op for tensor in outputs]
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += [tensor.op for tensor in node.inputs]
            waiting += node.control_inputs if is_run else []
    return found


def places_read(inputs: Sequence[Any], outputs: Iterable[Any]) -> set[int]:
    """Indices of the ``inputs`` of a graph on which its ``outputs`` depend."""
    found = needed(outputs, is_run=False)
    return {place for place, tensor in enumerate(inputs) if tensor.op in found}


def read_outputs(node: Any, wanted: set[Any], outputs: Iterable[Any]) -> list[int]:
    """Indices of the outputs of ``node`` that an operation of ``wanted`` or the caller reads."""
    asked = {tensor.ref() for tensor in outputs}
    return [
        place
        for place, tensor in enumerate(node.outputs)
        if tensor.ref() in asked or not wanted.isdisjoint(tensor.consumers())
    ]


def body_of(node: Any, scopes: Iterable[Any], attribute: str = "") -> Any | None:
    """Return the graph of the function that ``node`` calls or repeats; or None.

    Args:
        node: a call or a loop.
        scopes: the graphs in which it may be defined, innermost first.
        attribute: selects one of its functions; by default the called one, or the body of a loop.
    """
    if not attribute and node.type not in CALLS | LOOPS:
        return None
    name = node.get_attr(attribute or ("body" if node.type in LOOPS else "f")).name
    return _named(name, node.inputs, scopes, node.type in LOOPS)


def branches_of(node: Any, scopes: tuple[Any, ...]) -> list[Any]:
    """Return the graphs of the branches of a condition, in order."""
    if node.type in ("If", "StatelessIf"):
        names = [node.get_attr(branch).name for branch in ("else_branch", "then_branch")]
    else:
        names = [function.name for function in node.get_attr("branches")]
    found = [_named(name, list(node.inputs)[1:], scopes, False) for name in names]
    return [graph for graph in found if graph is not None]


def _named(name: str, inputs: Any, scopes: Iterable[Any], as_traced: bool) -> Any | None:
    for graph in scopes:
        while graph is not None:
            function = graph._get_function(name) if graph._is_function(name) else None
            if function is not None:
                return _function_graph(function, inputs, as_traced)
            graph = getattr(graph, "outer_graph", None)
    return None


def _function_graph(function: Any, inputs: Any, as_traced: bool) -> Any:
    """Return the traced graph of a function, rebuilt if the caller's shapes are more specific.

    Unlike its definition, the traced graph has the shapes of variables.
    """
    traced = getattr(function, "graph", None)
    if traced is not None and (as_traced or all(x.shape.is_fully_defined() for x in traced.inputs)):
        return traced
    return _imported(function.cached_definition, list(inputs))


def _imported(definition: Any, inputs: list[Any]) -> Any:
    """Return the graph of a function definition for the shapes of ``inputs``.

    The caller's shapes are more specific than the saved ones, which may be unknown.
    """
    import tensorflow as tf
    from tensorflow.python.framework.func_graph import FuncGraph
    from tensorflow.python.framework.function_def_to_graph import function_def_to_graph_def

    flat, names = function_def_to_graph_def(definition)
    for node in flat.node:
        node.attr.pop("_output_shapes", None)
    arguments = [names[argument.name] for argument in definition.signature.input_arg]
    graph = FuncGraph(definition.signature.name)
    with graph.as_default():
        graph.inputs = [_placeholder(tensor) for tensor in inputs]
        given = dict(zip(arguments, graph.inputs, strict=True))
        tf.graph_util.import_graph_def(flat, input_map=given, name="body")
    results = [names[definition.ret[one.name]] for one in definition.signature.output_arg]
    graph.outputs = [
        given[name] if name in given else graph.get_tensor_by_name(f"body/{name}")
        for name in results
    ]
    return graph


def _placeholder(tensor: Any) -> Any:
    """Return a placeholder for an input of a function; for a variable, one of the same shape."""
    import tensorflow as tf
    from tensorflow.python.ops.handle_data_util import get_resource_handle_data

    if tensor.dtype == tf.resource:
        known = get_resource_handle_data(tensor)
        if known.is_set and known.shape_and_type:
            (variable,) = known.shape_and_type
            return tf.raw_ops.VarHandleOp(
                dtype=tf.as_dtype(variable.dtype), shape=tf.TensorShape(variable.shape)
            )
    return tf.compat.v1.placeholder(tensor.dtype, tensor.shape)
