"""List the operations of a network that consists only of layers with known rules.

Nested models are entered, shared layers are listed at every call. Anything else (a custom layer, a
bare operation, an input size other than the built one) must be traced (`trace`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from cnnbench.analysis import keras_api
from cnnbench.analysis.graph import Call, Graph, Op, Tensor
from cnnbench.analysis.layers.rules import find_rule, has_own_arithmetic
from cnnbench.analysis.listing.calls import layer_op


class NotListed(Exception):
    """Raised if a part of the network must be traced; the message names it."""


def walk(model: Any, inputs: Any) -> Graph:
    """List the operations of ``model`` for the sizes it was built with.

    Args:
        model: a Keras 2 or Keras 3 model.
        inputs: a structure of ``Spec`` as the model takes it.

    Raises:
        NotListed: it must be traced.
    """
    own = keras_api.layer_graph(model)
    if own is None:
        raise NotListed(f"{model.name} is subclassed")
    wanted = [spec.shape[1:] for spec in keras_api.flatten(inputs)]
    built = keras_api.flatten(keras_api.input_symbols(model))
    if [keras_api.shape_of(symbol)[1:] for symbol in built] != wanted:
        raise NotListed(f"{model.name} was built for another size")
    walker = _Walker()
    known = {id(symbol): walker.tensor(symbol) for symbol in own.inputs}
    walker.run(own, known, "")
    outputs = tuple(known[id(out)] for out in own.outputs)
    return Graph(
        tuple(known[id(symbol)] for symbol in own.inputs), _read(walker.ops, outputs), outputs
    )


def _read(ops: Sequence[Op], outputs: Iterable[Tensor]) -> list[Op]:
    """Return the operations that the outputs need; compiled runtimes run no others."""
    needed = set(outputs)
    found = []
    for op in reversed(ops):
        if not needed.isdisjoint(op.outputs):
            found.append(op)
            needed.update(op.inputs)
    return found[::-1]


class _Walker:
    """Lists a network call by call."""

    def __init__(self) -> None:
        self.ops: list[Op] = []
        self.calls: Counter[str] = Counter()

    def tensor(self, symbol: Any) -> Tensor:
        """Return the tensor for a Keras symbol, for one image."""
        shape = keras_api.shape_of(symbol)
        if not shape or None in shape[1:]:
            raise NotListed(f"a size is open: {shape}")
        return Tensor((1, *(size or 0 for size in shape[1:])), keras_api.dtype_of(symbol))

    def run(self, own: Any, known: dict[int, Tensor], path: str) -> None:
        """List the calls of a functional graph; ``known`` maps ids of symbols to tensors."""
        for node in keras_api.graph_nodes(own):
            if any(id(symbol) not in known for symbol in node.inputs):
                continue  # not computable from the inputs: Keras does not run it either
            self.call(node, known, path)

    def call(self, node: keras_api.Node, known: dict[int, Tensor], path: str) -> None:
        """List the operations of one call of a layer."""
        layer = node.layer
        name = f"{path}{layer.name}"
        self.calls[name] += 1
        name = name if self.calls[name] == 1 else f"{name}#{self.calls[name]}"
        inputs = [known[id(symbol)] for symbol in node.inputs]
        own = keras_api.layer_graph(layer)
        if own is not None:
            built = [keras_api.shape_of(symbol)[1:] for symbol in own.inputs]
            if built != [tensor.sizes[1:] for tensor in inputs]:
                raise NotListed(f"{name} was built for another size")
            inner = dict(zip(map(id, own.inputs), inputs, strict=True))
            self.run(own, inner, f"{name}/")
            outputs = [inner[id(symbol)] for symbol in own.outputs]
            known.update(zip(map(id, node.outputs), outputs, strict=True))
            return
        rule = find_rule(layer)
        if rule is None or has_own_arithmetic(layer):
            raise NotListed(f"{name} ({type(layer).__name__}) is not a known layer")

        def to_tensor(leaf: Any) -> Any:
            return known[id(leaf)] if keras_api.is_symbolic(leaf) else leaf

        arguments = keras_api.bound_arguments(layer, node.args, node.kwargs)
        args = {key: keras_api.map_structure(value, to_tensor) for key, value in arguments.items()}
        call = Call(name, type(layer).__name__, layer)
        op = layer_op(call, rule, args, [self.tensor(symbol) for symbol in node.outputs])
        self._list(op)
        known.update(zip(map(id, node.outputs), op.outputs, strict=True))

    def _list(self, op: Op) -> None:
        """List the call if its arithmetic is known and it does not mix images."""
        operands = keras_api.flatten(list(op.args.values()))
        if any(keras_api.is_variable(leaf) for leaf in operands):
            raise NotListed(f"{op.name} is given a weight")
        if op.kind == "Concatenate" and op.layer.axis % len(op.output.sizes) == 0:
            raise NotListed(f"{op.name} mixes images")
        rule = op.rule
        work = rule.count(op) if rule is not None and op.inputs else None
        if work is None:
            raise NotListed(f"{op.name} ({op.kind}) must be traced")
        self.ops.append(replace(op, work=work))
