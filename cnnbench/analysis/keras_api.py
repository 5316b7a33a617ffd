"""One interface to the graphs of Keras 2 and Keras 3.

The rest of the analysis sees *nodes* (one call of one layer) and symbolic tensors, as
`models.keras_graph` reads them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from inspect import Parameter, signature
from typing import Any

from cnnbench.models.keras_graph import (
    Node,
    comes_with_keras,
    flatten,
    graph_nodes,
    input_symbols,
    is_keras2,
    is_symbolic,
    layer_graph,
    map_structure,
    read_node,
    shape_of,
)

__all__ = [
    "Node",
    "bound_arguments",
    "called_with",
    "comes_with_keras",
    "dtype_of",
    "flatten",
    "graph_nodes",
    "has_symbols",
    "input_symbols",
    "is_keras2",
    "is_symbolic",
    "is_tensor",
    "is_variable",
    "layer_graph",
    "map_structure",
    "operation_class",
    "read_node",
    "shape_of",
    "without_warnings",
]


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


def called_with(model: Any) -> Any:
    """Return the input shapes that a subclassed model was built or called with, or None."""
    given = getattr(model, "_build_shapes_dict", None)
    if given:
        shapes = list(given.values())
        return shapes[0] if len(shapes) == 1 else dict(given)
    return getattr(model, "_build_input_shape", None)


def dtype_of(tensor: Any) -> str:
    """Return the name of the type of a symbolic tensor or a variable."""
    dtype = tensor.dtype
    return dtype if isinstance(dtype, str) else dtype.name
