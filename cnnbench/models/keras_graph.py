"""The functional graphs of Keras 2 and Keras 3, read alike: nodes and symbolic tensors.

A *node* is one call of one layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Node:
    """One recorded call: the layer, its arguments, and its flat inputs and outputs."""

    layer: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]


def is_keras2(layer: Any) -> bool:
    """Return whether a layer or model is one of Keras 2 (``tf_keras``)."""
    return any(_root(cls) == "tf_keras" for cls in type(layer).__mro__)


def comes_with_keras(cls: type) -> bool:
    """Return whether the class is defined by Keras itself."""
    return _root(cls) in ("keras", "tf_keras")


def _root(cls: type) -> str:
    return cls.__module__.split(".", 1)[0]


def flatten(structure: Any) -> list[Any]:
    """Return the leaves of nested lists, tuples and dictionaries."""
    import tensorflow as tf

    return tf.nest.flatten(structure)


def map_structure(structure: Any, mapping: Callable[[Any], Any]) -> Any:
    """Map every leaf of a structure."""
    import tensorflow as tf

    return tf.nest.map_structure(mapping, structure)


def is_symbolic(value: Any) -> bool:
    """Return whether ``value`` is a symbolic tensor of either Keras."""
    return type(value).__name__.endswith("KerasTensor") or hasattr(value, "_keras_history")


def input_symbols(model: Any) -> Any:
    """Return the symbolic inputs of a functional or built sequential model, or None."""
    own = _graph_inside(model)
    if own is None:
        return None
    nested = getattr(own, "_inputs_struct", None)
    nested = getattr(own, "_nested_inputs", None) if nested is None else nested
    return own.inputs if nested is None else nested


def are_allocated(variables: Iterable[Any]) -> bool:
    """Return whether variables have values; inside `cnnbench.analysis.weightless` they have not."""
    from tensorflow.python.ops.resource_variable_ops import UninitializedVariable

    # Keras 3 wraps TensorFlow's variable, or None.
    values = [getattr(variable, "_value", variable) for variable in variables]
    return all(v is not None and not isinstance(v, UninitializedVariable) for v in values)


def shape_of(tensor: Any) -> tuple[int | None, ...]:
    """Return the shape of a symbolic tensor, with None for unknown sizes."""
    return tuple(None if size is None else int(size) for size in tensor.shape)


def layer_graph(layer: Any) -> Any | None:
    """Return the functional graph that calling ``layer`` runs, or None if its ``call`` is code.

    A functional model is its own graph; a built ``Sequential`` keeps one inside.
    """
    caller = next((cls for cls in type(layer).__mro__ if "call" in vars(cls)), None)
    return _graph_inside(layer) if caller and comes_with_keras(caller) else None


def _graph_inside(layer: Any) -> Any | None:
    graph = getattr(layer, "_functional", None) or layer
    is_graph = hasattr(graph, "_nodes_by_depth") and getattr(graph, "inputs", None)
    return graph if is_graph else None


def graph_nodes(graph: Any) -> Iterator[Node]:
    """Yield the nodes of a functional graph in the order in which Keras runs them."""
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            if not node.is_input:
                yield read_node(node)


def read_node(node: Any) -> Node:
    """Convert a node of either Keras to a ``Node``."""
    if hasattr(node, "arguments"):
        arguments = node.arguments
        return Node(
            node.operation,
            tuple(arguments.args),
            dict(arguments.kwargs),
            tuple(arguments.keras_tensors),
            tuple(node.outputs),
        )
    return Node(
        node.layer,
        tuple(node.call_args),
        dict(node.call_kwargs),
        tuple(node.keras_inputs),
        tuple(flatten(node.outputs)),
    )
