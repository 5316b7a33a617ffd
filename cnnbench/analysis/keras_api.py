"""The few places where Keras 2 and Keras 3 differ, behind one set of names.

Everything above this file sees *nodes* (one call of one layer) and symbolic tensors, whichever
generation of Keras the process uses.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import signature
from math import prod
from typing import Any

from cnnbench.core import keras_backend

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

    Raises:
        UserError: Keras does not run on TensorFlow.
    """
    keras_backend.check_here()
    import tensorflow as tf

    if _root(tf.keras.Model) == "tf_keras":
        with tf.variable_creator_scope(_unallocated):
            yield
    else:
        import keras

        # Without the argument, leaving the scope initialises every weight after all.
        with _forgotten(), keras.StatelessScope(initialize_variables=False):
            yield


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


def is_variable(value: Any) -> bool:
    """Whether ``value`` is a variable of either Keras."""
    return hasattr(value, "trainable") and hasattr(value, "assign")


def at_inference(layer: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """``kwargs`` with ``training=False``, where a layer's ``call`` takes that and was not told.

    Some layers train by default when their ``call`` is called alone (augmentation in Keras 3).
    """
    call = getattr(layer, "call", None)
    if call is None or not hasattr(layer, "weights") or kwargs.get("training") is not None:
        return dict(kwargs)
    try:
        names = list(signature(call).parameters)
    except (TypeError, ValueError):  # written in C: it has no such argument
        return dict(kwargs)
    given = "training" in names and names.index("training") < len(args)
    return {**kwargs, "training": False} if "training" in names and not given else dict(kwargs)


def shape_of(tensor: Any) -> tuple[int | None, ...]:
    """The shape of a symbolic tensor; None where a size is unknown."""
    return tuple(None if size is None else int(size) for size in tensor.shape)


def dtype_of(tensor: Any) -> str:
    """The name of a symbolic tensor's type."""
    dtype = tensor.dtype
    return dtype if isinstance(dtype, str) else dtype.name


def symbolic(shape: Sequence[int | None], dtype: str, keras2: bool) -> Any:
    """A fresh symbolic tensor with no history."""
    if keras2:
        import tf_keras

        return tf_keras.Input(batch_shape=tuple(shape), dtype=dtype)
    import keras

    return keras.KerasTensor(tuple(shape), dtype=dtype)


def layer_graph(layer: Any) -> Any | None:
    """The functional graph that calling ``layer`` runs, or None where its ``call`` is code.

    A functional model is its own graph; a built ``Sequential`` keeps one inside.
    """
    graph = getattr(layer, "_functional", None) or layer
    if not hasattr(graph, "_nodes_by_depth") or not getattr(graph, "inputs", None):
        return None
    caller = next(cls for cls in type(layer).__mro__ if "call" in vars(cls))
    return graph if comes_with_keras(caller) else None


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


def nodes_between(inputs: Sequence[Any], outputs: Sequence[Any]) -> list[Node]:
    """The nodes that lead from symbolic ``inputs`` to ``outputs``, in Keras' execution order.

    The order is by decreasing distance to the outputs, as ``keras.Function`` runs it. The records
    are taken off their layers again, so that looking at a model leaves no trace in it.
    """
    found = _postorder({id(tensor) for tensor in inputs}, outputs)
    depth = {id(node): 0 for node in found}
    for node in reversed(found):
        for parent in node.parent_nodes:
            if id(parent) in depth:
                depth[id(parent)] = max(depth[id(parent)], depth[id(node)] + 1)
    ordered = [read(node) for node in sorted(found, key=lambda node: -depth[id(node)])]
    for node in found:
        recorded = (node.operation if hasattr(node, "operation") else node.layer)._inbound_nodes
        recorded[:] = [other for other in recorded if other is not node]
    return ordered


def _postorder(known: set[int], outputs: Sequence[Any]) -> list[Any]:
    """The Keras nodes above ``outputs``, parents first, down to the tensors in ``known``."""
    found: list[Any] = []
    seen: set[int] = set()
    stack: list[tuple[Any, bool]] = [(tensor, False) for tensor in reversed(outputs)]
    while stack:
        item, expanded = stack.pop()
        if expanded:
            found.append(item)
            continue
        history = getattr(item, "_keras_history", None)
        layer = history[0] if history else None
        if id(item) in known or history is None or layer is None:
            continue
        node = layer._inbound_nodes[history.node_index]
        if id(node) in seen or node.is_input:
            continue
        seen.add(id(node))
        stack.append((node, True))
        stack.extend((tensor, False) for tensor in reversed(read(node).inputs))
    return found


def fixed_state(model: Any) -> list[Any]:
    """The variables that ``train_call`` wants beside the trainable ones."""
    return [] if is_keras2(model) else list(model.non_trainable_variables)


def train_call(
    model: Any, weights: list[Any], others: list[Any], inputs: list[Any]
) -> tuple[Any, list[Any]]:
    """Call ``model`` in training mode inside a function that is being traced.

    Returns:
        Its outputs, and what to differentiate them with respect to.
    """
    images = inputs if len(inputs) > 1 else inputs[0]
    if is_keras2(model):
        return model(images, training=True), list(model.trainable_variables)
    return model.stateless_call(weights, others, images, training=True)[0], weights
