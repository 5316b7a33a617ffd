"""Record layer calls while a network is traced, to assign operations to them.

Name scopes are ambiguous: two layers may share a name, and a shared layer has the same name in
every call.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

from cnnbench.analysis import keras_api, keras_calls
from cnnbench.analysis.graph import Call, Op, Tensor, Uncounted
from cnnbench.analysis.rule import Rule
from cnnbench.analysis.work import NOTHING, Work


@dataclass(eq=False)
class Recorded:
    """One call of a layer while a network was traced.

    Attributes:
        call: its name and layer.
        parent: the enclosing call, or None.
        graph: the TensorFlow graph that it wrote into.
        args: the arguments of ``layer.call`` by parameter, with TensorFlow tensors.
        outputs: the tensors that it returned, flat.
    """

    call: Call
    parent: Recorded | None
    graph: Any
    args: dict[str, Any]
    outputs: list[Any] = field(default_factory=list)

    def chain(self) -> Iterator[Recorded]:
        """Yield the enclosing calls, outermost first, then this one."""
        if self.parent is not None:
            yield from self.parent.chain()
        yield self


@dataclass
class Group:
    """The TensorFlow operations of one call of a layer whose rule is known.

    Attributes:
        made: the call.
        work: their arithmetic.
        uncounted: those that could not be counted.
        nodes: the operations, and how often each runs.
    """

    made: Recorded
    work: Work = NOTHING
    uncounted: list[Uncounted] = field(default_factory=list)
    nodes: list[tuple[Any, int]] = field(default_factory=list)


class Calls:
    """All layer calls of a trace, and the call that each operation belongs to."""

    def __init__(self) -> None:
        self._names: Counter[str] = Counter()
        self._open: list[Recorded] = []
        self._spans: list[tuple[Recorded, int, int]] = []

    @contextmanager
    def record(
        self, layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Iterator[Recorded]:
        """Record a call of ``layer`` while its operations are made."""
        import tensorflow as tf

        parent = self._open[-1] if self._open else None
        path = f"{parent.call.name}/{layer.name}" if parent else layer.name
        self._names[path] += 1
        name = path if self._names[path] == 1 else f"{path}#{self._names[path]}"
        graph = tf.compat.v1.get_default_graph()
        call = Call(name, type(layer).__name__, layer)
        made = Recorded(call, parent, graph, keras_api.bound_arguments(layer, args, kwargs))
        start = graph.version  # its number of operations
        self._open.append(made)
        try:
            yield made
        finally:
            self._open.pop()
            self._spans.append((made, start, graph.version))

    def without_operations(self, graph: Any) -> dict[int, list[Recorded]]:
        """Return calls without operations, by the index of the next operation in ``graph``."""
        found: dict[int, list[Recorded]] = {}
        for made, start, end in self._spans:
            if made.graph is graph and start == end:
                found.setdefault(start, []).append(made)
        return found

    def owners(self, graph: Any) -> list[Recorded | None]:
        """Return the innermost call that made each operation of ``graph``, in order."""
        found: list[Recorded | None] = [None] * graph.version
        for made, start, end in reversed(self._spans):  # inner calls end before outer ones
            if made.graph is graph:
                found[start:end] = [made] * (end - start)
        return found


def layer_op(
    call: Call,
    rule: Rule | None,
    args: dict[str, Any],
    outputs: Iterable[Tensor],
    nodes: tuple[tuple[Any, int], ...] = (),
) -> Op:
    """Return the operation for a call of a layer; ``args`` have a `Tensor` for every tensor."""
    leaves = keras_api.flatten(list(args.values()))
    return Op(
        call,
        call.kind,
        rule,
        call.layer,
        args,
        tuple(leaf for leaf in leaves if isinstance(leaf, Tensor)),
        tuple(outputs),
        is_trained=bool(getattr(call.layer, "trainable_variables", None)),
        is_weighted=rule is not None and rule.weighted,
        nodes=nodes,
    )


@contextmanager
def recording(keras2: bool) -> Iterator[Calls]:
    """Record every layer call except the first, which is the call of the model itself."""
    base = keras_api.operation_class(keras2)
    calls, plain = Calls(), base.__call__
    is_outside = True

    @wraps(plain)
    def called(layer: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal is_outside
        if keras_api.has_symbols(args, kwargs):  # a layer is being built
            return plain(layer, *args, **kwargs)
        if is_outside:
            is_outside = False
            return plain(layer, *args, **kwargs)
        with calls.record(layer, args, kwargs) as made:
            outputs = plain(layer, *args, **kwargs)
            made.outputs = keras_api.flatten(outputs)
            if made.args:
                keras_calls.set_shapes(layer, next(iter(made.args.values())), made.outputs)
            return outputs

    base.__call__ = called
    try:
        yield calls
    finally:
        base.__call__ = plain
