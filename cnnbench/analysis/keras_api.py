"""One interface to the graphs of Keras 2 and Keras 3.

The rest of the analysis sees *nodes* (one call of one layer) and symbolic tensors.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import Parameter, signature
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


@contextmanager
def without_warnings() -> Iterator[None]:
    """Silence TensorFlow's warnings to the authors of layers."""
    logger = logging.getLogger("tensorflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


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


def is_tensor(value: Any) -> bool:
    """Return whether ``value`` is a tensor of a graph that is being traced."""
    import tensorflow as tf

    return isinstance(value, tf.Tensor) and hasattr(value, "op")


def is_variable(value: Any) -> bool:
    """Return whether ``value`` is a variable of either Keras."""
    return hasattr(value, "trainable") and hasattr(value, "assign")


def bound_arguments(layer: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of ``layer.call`` by parameter name, in the order of the parameters.

    Keras records named arguments in alphabetical order.
    """
    try:
        taken = signature(layer.call).bind_partial(*args, **kwargs)
    except (TypeError, ValueError):  # written in C, or called with what only a wrapper takes
        return {**{str(place): arg for place, arg in enumerate(args)}, **kwargs}
    found = dict[str, Any]()
    for name, value in taken.arguments.items():
        is_rest = taken.signature.parameters[name].kind is Parameter.VAR_KEYWORD
        found |= value if is_rest else {name: value}
    return found


def operation_class(keras2: bool) -> Any:
    """Return the class whose ``__call__`` runs at every call of a layer or operation."""
    if keras2:
        import tf_keras

        return tf_keras.layers.Layer
    import keras

    return keras.Operation


def has_symbols(args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Return whether a layer is called on symbolic tensors, as while it is being built."""
    leaves = flatten([list(args), dict(kwargs)])
    return any(type(leaf).__name__.endswith("KerasTensor") for leaf in leaves)


def input_symbols(model: Any) -> Any:
    """Return the symbolic inputs of a functional or built sequential model, or None."""
    own = _graph_inside(model)
    if own is None:
        return None
    nested = getattr(own, "_inputs_struct", None)
    nested = getattr(own, "_nested_inputs", None) if nested is None else nested
    return own.inputs if nested is None else nested


def called_with(model: Any) -> Any:
    """Return the input shapes that a subclassed model was built or called with, or None."""
    given = getattr(model, "_build_shapes_dict", None)
    if given:
        shapes = list(given.values())
        return shapes[0] if len(shapes) == 1 else dict(given)
    return getattr(model, "_build_input_shape", None)


def shape_of(tensor: Any) -> tuple[int | None, ...]:
    """Return the shape of a symbolic tensor, with None for unknown sizes."""
    return tuple(None if size is None else int(size) for size in tensor.shape)


def dtype_of(tensor: Any) -> str:
    """Return the name of the type of a symbolic tensor or a variable."""
    dtype = tensor.dtype
    return dtype if isinstance(dtype, str) else dtype.name


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
