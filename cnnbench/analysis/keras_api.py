"""The few places where Keras 2 and Keras 3 differ, behind one set of names.

Everything above this file sees *nodes* (one call of one layer) and symbolic tensors, whichever
generation of Keras the process uses.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from inspect import Parameter, signature
from math import prod
from typing import Any

SMALL = 16


@dataclass(frozen=True)
class Node:
    """One recorded call: the layer, what it was called with, what it returned (flat)."""

    layer: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]


def is_keras2(layer: Any) -> bool:
    """Whether a layer or model is one of Keras 2 (``tf_keras``)."""
    return any(_root(cls) == "tf_keras" for cls in type(layer).__mro__)


def comes_with_keras(cls: type) -> bool:
    """Whether Keras itself defines the class (a user's own class of the same name does not)."""
    return _root(cls) in ("keras", "tf_keras")


def _root(cls: type) -> str:
    return cls.__module__.split(".", 1)[0]


@contextmanager
def weightless() -> Iterator[None]:
    """Build models inside this and no weight is ever allocated; shapes and counts are there.

    Works for the Keras generation of this process. The model must also be used inside.
    """
    import tensorflow as tf

    if _root(tf.keras.Model) == "tf_keras":
        with tf.variable_creator_scope(_unallocated):
            yield
    else:
        import keras

        # Without the argument, leaving the scope initialises every weight after all.
        with _forgotten(), _values_drawn_late(), keras.StatelessScope(initialize_variables=False):
            yield


@contextmanager
def _values_drawn_late() -> Iterator[None]:
    """Keras 3 makes no variable out of a value in a stateless scope: it wants an initialiser."""
    import keras

    plain = keras.Variable.__init__

    @wraps(plain)
    def made(variable: Any, initializer: Any, shape: Any = None, *args: Any, **kwargs: Any) -> None:
        if callable(initializer) or isinstance(initializer, str):
            plain(variable, initializer, shape, *args, **kwargs)
            return
        value = keras.ops.convert_to_tensor(initializer)

        def drawn(shape: Any, dtype: Any = None) -> Any:
            return keras.ops.cast(value, dtype or value.dtype)

        if not args:
            kwargs.setdefault("dtype", keras.backend.standardize_dtype(value.dtype))
        plain(variable, drawn, tuple(value.shape), *args, **kwargs)

    keras.Variable.__init__ = made
    try:
        yield
    finally:
        keras.Variable.__init__ = plain


@contextmanager
def _forgotten() -> Iterator[None]:
    """Keras 3 notes every weight without a value, and keeps it, for the next scope to give it one.

    Any later scope, of a recurrent layer for example, would allocate all networks ever counted.
    """
    from keras.src.backend.common import global_state

    name = "uninitialized_variables"
    noted = list(global_state.get_global_attribute(name) or ())
    try:
        yield
    finally:
        global_state.set_global_attribute(name, noted)


def _unallocated(create: Callable[..., Any], **wanted: Any) -> Any:
    """A variable with a shape and no memory.

    Scalars and statistics of a few input channels are made as ever: ``Normalization`` reads them
    while it is built.
    """
    from tensorflow.python.ops.resource_variable_ops import UninitializedVariable

    shape = wanted.get("shape")
    if shape is None or prod(shape) < SMALL or not callable(wanted.get("initial_value")):
        return create(**wanted)
    known = ("trainable", "shape", "dtype", "name", "synchronization", "aggregation", "constraint")
    return UninitializedVariable(**{key: wanted[key] for key in known if key in wanted})


@contextmanager
def without_warnings() -> Iterator[None]:
    """TensorFlow's advice to whoever wrote a layer is not for whoever looks into it."""
    logger = logging.getLogger("tensorflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def flatten(structure: Any) -> list[Any]:
    """The leaves of nested lists, tuples and dictionaries."""
    import tensorflow as tf

    return tf.nest.flatten(structure)


def replace(structure: Any, mapping: Callable[[Any], Any]) -> Any:
    """The same structure with every leaf mapped."""
    import tensorflow as tf

    return tf.nest.map_structure(mapping, structure)


def is_symbolic(value: Any) -> bool:
    """Whether ``value`` is a symbolic tensor of either Keras."""
    return type(value).__name__.endswith("KerasTensor") or hasattr(value, "_keras_history")


def is_tensor(value: Any) -> bool:
    """Whether ``value`` is a tensor of a graph that is being traced."""
    import tensorflow as tf

    return isinstance(value, tf.Tensor) and hasattr(value, "op")


def is_variable(value: Any) -> bool:
    """Whether ``value`` is a variable of either Keras."""
    return hasattr(value, "trainable") and hasattr(value, "assign")


def bound(layer: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of ``layer.call`` by the names of its parameters, in their order.

    Keras records arguments that are given by name in alphabetical order.
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
    """The class whose ``__call__`` runs at every call of a layer or of a recorded operation."""
    if keras2:
        import tf_keras

        return tf_keras.layers.Layer
    import keras

    return keras.Operation


def has_symbols(args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether a layer is called on Keras' symbols, as while it is being built."""
    leaves = flatten([list(args), dict(kwargs)])
    return any(type(leaf).__name__.endswith("KerasTensor") for leaf in leaves)


def set_shapes(layer: Any, inputs: Any, outputs: list[Any]) -> None:
    """Give outputs whose shape TensorFlow does not know the one that the layer says it has.

    A Python function inside a layer, for example, tells TensorFlow nothing.
    """
    if all(not is_tensor(output) or output.shape.rank is not None for output in outputs):
        return
    base = operation_class(True) if is_keras2(layer) else _keras3_layer()
    if type(layer).compute_output_shape is not base.compute_output_shape:
        shapes = layer.compute_output_shape(replace(inputs, lambda one: tuple(one.shape)))
        said = [shapes] if isinstance(shapes, tuple) else shapes
    elif getattr(type(layer), "compute_output_spec", None) is not getattr(
        base, "compute_output_spec", None
    ):
        import keras

        symbols = replace(
            inputs, lambda one: keras.KerasTensor(tuple(one.shape), dtype=one.dtype.name)
        )
        said = [spec.shape for spec in flatten(layer.compute_output_spec(symbols))]
    else:
        return
    for output, shape in zip(outputs, said, strict=True):
        output.set_shape(tuple(shape))


def _keras3_layer() -> Any:
    import keras

    return keras.layers.Layer


def input_symbols(model: Any) -> Any:
    """The symbolic inputs of a functional or built sequential model as it takes them, or None."""
    own = _graph_inside(model)
    if own is None:
        return None
    nested = getattr(own, "_inputs_struct", None)
    nested = getattr(own, "_nested_inputs", None) if nested is None else nested
    return own.inputs if nested is None else nested


def called_with(model: Any) -> Any:
    """The shapes with which a model of code was built or called, in their structure, or None."""
    given = getattr(model, "_build_shapes_dict", None)
    if given:
        shapes = list(given.values())
        return shapes[0] if len(shapes) == 1 else dict(given)
    return getattr(model, "_build_input_shape", None)


def variables(model: Any) -> list[Any]:
    """The Keras 3 variables that a traced model is given values for; none of Keras 2."""
    return [] if is_keras2(model) else list(model.variables)


def infer(model: Any, values: list[tuple[Any, Any]], images: Any) -> tuple[Any, list[int]]:
    """Call ``model`` at inference inside a function that is being traced.

    Args:
        model: the model.
        values: variables of Keras 3, and what they are worth.
        images: its inputs, in the structure in which it takes them.

    Returns:
        Its outputs, and the places of the variables that the call changed.
    """
    if is_keras2(model):
        takes = "training" in signature(model.call).parameters
        return model(images, **({"training": False} if takes else {})), []
    import keras

    with keras.StatelessScope(values, initialize_variables=False) as scope:
        before = [scope.get_current_value(variable) for variable, _ in values]
        outputs = model(images, training=False)
        after = [scope.get_current_value(variable) for variable, _ in values]
    pairs = enumerate(zip(before, after, strict=True))
    return outputs, [place for place, (old, new) in pairs if new is not old]


def trained_inputs(model: Any, graph: Any) -> list[Any]:
    """The inputs of a traced graph that are weights which training changes.

    Those of Keras 3 come first, in the order of ``variables``; those of Keras 2 were captured.
    """
    if not is_keras2(model):
        pairs = zip(variables(model), graph.inputs, strict=False)
        return [given for variable, given in pairs if variable.trainable]
    handles = {id(variable.handle) for variable in model.trainable_weights}
    return [given for outside, given in graph.captures if id(outside) in handles]


def unbuilt(model: Any) -> list[str]:
    """The names of layers that may get weights when they are first called."""
    layers = getattr(model, "_flatten_layers", None)
    flat = list(layers(include_self=True, recursive=True)) if layers else []
    waiting = [layer for layer in flat if not getattr(layer, "built", True)]
    return [layer.name for layer in waiting if _makes_weights(layer)]


def _makes_weights(layer: Any) -> bool:
    """Whether a layer has a ``build`` of its own, and is no mere container of others."""
    owner = next(cls for cls in type(layer).__mro__ if "build" in vars(cls))
    return owner.__name__ not in ("Layer", "Sequential")


def build(model: Any, inputs: Any) -> None:
    """Give the layers of ``model`` that have no weights yet theirs, by calling it on symbols.

    Args:
        model: a model of code.
        inputs: placeholders' shapes and types in the structure that it takes.
    """
    if is_keras2(model):
        import tf_keras

        symbols = replace(
            inputs, lambda one: tf_keras.Input(batch_shape=one.shape, dtype=one.dtype)
        )
        tf_keras.Model(flatten(symbols), model(symbols))
        model._inbound_nodes.clear()
        return
    import keras
    from keras.src import backend

    symbols = replace(inputs, lambda one: keras.KerasTensor(one.shape, dtype=one.dtype))
    backend.compute_output_spec(lambda images: model(images, training=False), symbols)


def shape_of(tensor: Any) -> tuple[int | None, ...]:
    """The shape of a symbolic tensor; None where a size is unknown."""
    return tuple(None if size is None else int(size) for size in tensor.shape)


def dtype_of(tensor: Any) -> str:
    """The name of a symbolic tensor's type."""
    dtype = tensor.dtype
    return dtype if isinstance(dtype, str) else dtype.name


def layer_graph(layer: Any) -> Any | None:
    """The functional graph that calling ``layer`` runs, or None where its ``call`` is code.

    A functional model is its own graph; a built ``Sequential`` keeps one inside.
    """
    caller = next((cls for cls in type(layer).__mro__ if "call" in vars(cls)), None)
    return _graph_inside(layer) if caller and comes_with_keras(caller) else None


def _graph_inside(layer: Any) -> Any | None:
    graph = getattr(layer, "_functional", None) or layer
    is_graph = hasattr(graph, "_nodes_by_depth") and getattr(graph, "inputs", None)
    return graph if is_graph else None


def graph_nodes(graph: Any) -> Iterator[Node]:
    """The nodes of a functional graph in the order in which Keras runs them."""
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            if not node.is_input:
                yield read(node)


def read(node: Any) -> Node:
    """A Keras node of either generation as a ``Node``."""
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


def train(model: Any, values: list[tuple[Any, Any]], images: Any) -> tuple[Any, list[Any]]:
    """Call ``model`` in training mode inside a function that is being traced.

    Returns:
        Its outputs, and what to differentiate them with respect to.
    """
    if is_keras2(model):
        takes = "training" in signature(model.call).parameters
        outputs = model(images, **({"training": True} if takes else {}))
        return outputs, list(model.trainable_variables)
    import keras

    with keras.StatelessScope(values, initialize_variables=False):
        outputs = model(images, training=True)
    trained = {id(variable) for variable in model.trainable_variables}
    return outputs, [value for variable, value in values if id(variable) in trained]
