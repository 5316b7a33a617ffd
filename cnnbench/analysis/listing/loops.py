"""Iteration counts of loops, where they can be proved.

The iteration limit of a loop is not its count. The values that decide whether it continues (a
counter, a limit, a step) are evaluated from constants, iteration by iteration. If any of them
depends on the data, the count is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from cnnbench.analysis.listing.functions import body_of, places_read

MAX_ITERATIONS = 1_000_000
"""Iterations that are tried before a length counts as unknown."""


class Unknown(Exception):
    """Raised for a value that is known only when the network runs; the message is the reason."""


class Scope:
    """One run of a TensorFlow graph: its arguments, and the known values of its tensors.

    Attributes:
        graph: the TensorFlow graph.
        outer: the run that called it, or None.
        given: placeholder name -> the tensor of ``outer`` that was passed for it, except variables
            that a loop changes.
        values: tensor name -> symbolic tensor, for tensors that depend on the images.
        trained: names of other tensors that depend on trainable weights.
        lists: placeholder name -> the initial value of a loop variable, of constant length.
        constants: tensor name -> value, for values that were evaluated.
    """

    def __init__(self, graph: Any, outer: Scope | None, given: Mapping[str, Any]) -> None:
        self.graph = graph
        self.outer = outer
        self.given = given
        self.values: dict[str, Any] = {}
        self.trained: set[str] = set()
        self.lists: dict[str, Any] = {}
        self.constants: dict[str, Any] = {}

    def graphs(self) -> Iterator[Any]:
        """Yield the graph and those around it."""
        scope: Scope | None = self
        while scope is not None:
            yield scope.graph
            scope = scope.outer

    def home(self, tensor: Any) -> Scope:
        """Return the run whose graph contains ``tensor``."""
        scope: Scope | None = self
        while scope is not None and scope.graph is not tensor.graph:
            scope = scope.outer
        return scope or self

    def value(self, tensor: Any) -> Any:
        """Return the value of ``tensor``, or None if it does not depend on the images."""
        return self.home(tensor).values.get(tensor.name)


def evaluate(tensor: Any, scope: Scope, known: Mapping[str, Any] = MappingProxyType({})) -> Any:
    """Return the value of ``tensor`` if it depends on constants and shapes alone.

    Args:
        tensor: a tensor of ``scope.graph``.
        scope: the run that it belongs to.
        known: placeholder name -> value, in that graph.

    Raises:
        Unknown: it depends on anything else.
    """
    import tensorflow as tf

    if tensor.name in known:
        return known[tensor.name]
    if tensor.name in scope.constants:
        return scope.constants[tensor.name]
    value = tf.get_static_value(tensor)
    if value is not None:
        scope.constants[tensor.name] = value
        return value
    node = tensor.op
    if node.type == "Placeholder" and tensor.name in scope.given and scope.outer is not None:
        return evaluate(scope.given[tensor.name], scope.outer)
    if scope.values.get(tensor.name) is not None and not node.inputs:
        raise Unknown("depends on the data")
    if node.type == "TensorListLength":
        return list_length(node.inputs[0], scope)
    if node.op_def.is_stateful or not node.inputs:
        raise Unknown(f"follows from {node.type}")
    values = [evaluate(each, scope, known) for each in node.inputs]
    if node.type == "Cast":
        return np.asarray(values[0]).astype(node.outputs[0].dtype.as_numpy_dtype)
    function = _FUNCTIONS.get(node.type)
    return function(*values) if function else _by_tensorflow(node, *values)


def list_length(tensor: Any, scope: Scope) -> int:
    """Return the length of a list of tensors; raise `Unknown` if it is not constant."""
    node = tensor.op
    if node.type == "TensorListFromTensor" and node.inputs[0].shape.rank:
        size = node.inputs[0].shape[0]
        if size is not None:
            return int(size)
    if node.type == "TensorListReserve":
        return int(evaluate(node.inputs[1], scope))
    if node.type in ("TensorListSetItem", "Identity"):
        return list_length(node.inputs[0], scope)
    if node.type in ("While", "StatelessWhile"):
        return list_length(node.inputs[int(tensor.value_index)], scope)
    given = scope.given.get(tensor.name, scope.lists.get(tensor.name))
    if given is not None and scope.outer is not None:
        return list_length(given, scope.outer)
    raise Unknown(f"follows from {node.type}")


def iteration_count(loop: Any, scope: Scope) -> int:
    """Return how often ``loop`` runs its body; raise `Unknown` with the reason."""
    graphs = tuple(scope.graphs())
    condition, body = (body_of(loop, graphs, name) for name in ("cond", "body"))
    if condition is None or body is None:
        raise Unknown("has no body that can be read")
    deciding = _condition_variables(condition, body)
    state = {place: evaluate(loop.inputs[place], scope) for place in deciding}
    asking, working = Scope(condition, scope, {}), Scope(body, scope, {})
    count = 0
    while _continues(condition, asking, state):
        count += 1
        if count > MAX_ITERATIONS:
            raise Unknown(f"has more than {MAX_ITERATIONS:,} iterations")
        known = {body.inputs[place].name: value for place, value in state.items()}
        state = {place: evaluate(body.outputs[place], working, known) for place in deciding}
    return count


def _continues(condition: Any, scope: Scope, state: Mapping[int, Any]) -> bool:
    known = {condition.inputs[place].name: value for place, value in state.items()}
    return bool(evaluate(condition.outputs[0], scope, known))


def _condition_variables(condition: Any, body: Any) -> set[int]:
    """Return the indices of the loop variables that its condition depends on."""
    found = places_read(condition.inputs, condition.outputs[:1])
    while more := places_read(body.inputs, [body.outputs[place] for place in found]) - found:
        found |= more
    return found


def _by_tensorflow(node: Any, *values: Any) -> Any:
    """Return the first output of ``node``, computed by TensorFlow."""
    import tensorflow as tf
    from tensorflow.python.eager import context, execute

    attributes: list[Any] = []
    for name in node.node_def.attr:
        if not name.startswith("_"):
            value = node.get_attr(name)
            attributes += [name, getattr(value, "as_datatype_enum", value)]
    with tf.init_scope():
        pairs = zip(values, node.inputs, strict=True)
        inputs = [tf.constant(value, tensor.dtype) for value, tensor in pairs]
        try:
            made = execute.quick_execute(
                node.type, len(node.outputs), inputs, tuple(attributes), context.context()
            )
        except (TypeError, ValueError, tf.errors.OpError) as error:
            raise Unknown(f"follows from {node.type}") from error
    return made[0].numpy()


# Operations of counters, computed without TensorFlow's overhead.
_FUNCTIONS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "Identity": lambda value: value,
        "Max": lambda value, axes: np.max(value, axis=tuple(np.ravel(axes))),
        "Less": np.less,
        "LessEqual": np.less_equal,
        "Greater": np.greater,
        "GreaterEqual": np.greater_equal,
        "Equal": np.equal,
        "NotEqual": np.not_equal,
        "LogicalAnd": np.logical_and,
        "LogicalOr": np.logical_or,
        "LogicalNot": np.logical_not,
        "Add": np.add,
        "AddV2": np.add,
        "Sub": np.subtract,
        "Mul": np.multiply,
        "FloorDiv": np.floor_divide,
        "FloorMod": np.mod,
        "Minimum": np.minimum,
        "Maximum": np.maximum,
        "Neg": np.negative,
        "Select": np.where,
        "SelectV2": np.where,
    }
)
