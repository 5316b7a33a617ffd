"""A network as a flat list of layer calls, nested models entered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cnnbench.errors import UserError
from cnnbench.models import keras_graph

Shape = tuple[int | None, ...]


@dataclass(eq=False)
class Value:
    """A tensor of the network, compared by identity; ``shape`` has the batch axis."""

    shape: Shape

    @property
    def is_map(self) -> bool:
        """True for ``(n, height, width, channels)``."""
        return len(self.shape) == 4


@dataclass(frozen=True, eq=False)
class Step:
    """One call of one layer or operation.

    Attributes:
        layer: the Keras layer or operation.
        path: the names of the nested models around it, for messages and for names that clash.
        args, kwargs: its arguments, with a `Value` for every symbolic tensor.
        inputs, outputs: the values among its arguments, and those that it returns.
    """

    layer: Any
    path: tuple[str, ...]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]

    @property
    def kind(self) -> str:
        """The class name of the layer."""
        return type(self.layer).__name__

    @property
    def is_of_keras(self) -> bool:
        """True if its class is one of Keras itself, so that its name says what it computes."""
        return keras_graph.comes_with_keras(type(self.layer))

    def __str__(self) -> str:
        return f"'{'/'.join((*self.path, self.layer.name))}' ({self.kind})"

    def called(self, tensors: Mapping[Value, Any], layer: Any = None) -> list[Any]:
        """Call the layer, or another in its place, on new tensors; return its outputs, flat."""

        def tensor(leaf: Any) -> Any:
            return tensors[leaf] if isinstance(leaf, Value) else leaf

        args, kwargs = keras_graph.map_structure((self.args, dict(self.kwargs)), tensor)
        return keras_graph.flatten((self.layer if layer is None else layer)(*args, **kwargs))


@dataclass(frozen=True)
class Steps:
    """A network with one input.

    Attributes:
        input: the images.
        steps: in the order of execution.
        outputs: in the structure in which the network returns them.
    """

    input: Value
    steps: tuple[Step, ...]
    outputs: Any

    @classmethod
    def of(cls, model: Any) -> Steps:
        """Read a functional or built sequential ``keras.Model`` of either generation.

        Raises:
            UserError: a subclassed model, or one whose input is not one image.
        """
        graph = keras_graph.layer_graph(model)
        if graph is None:
            raise UserError(
                f"the layers of '{model.name}' cannot be seen: it is subclassed",
                hint="build it with the functional API, or as a Sequential with an Input",
            )
        inputs = [Value(keras_graph.shape_of(symbol)) for symbol in graph.inputs]
        if len(inputs) != 1 or not inputs[0].is_map:
            raise UserError(f"'{model.name}' does not take one image (height, width, channels)")
        known = {id(symbol): value for symbol, value in zip(graph.inputs, inputs, strict=True)}
        steps: list[Step] = []
        _enter(graph, known, (), steps)
        structure = getattr(graph, "_outputs_struct", None)
        structure = getattr(graph, "_nested_outputs", None) if structure is None else structure
        structure = graph.outputs if structure is None else structure
        if isinstance(structure, list | tuple) and len(structure) == 1:
            structure = structure[0]
        outputs = keras_graph.map_structure(structure, lambda symbol: known[id(symbol)])
        return cls(inputs[0], tuple(steps), outputs)

    def results(self) -> list[Value]:
        """Return the outputs, flat."""
        return keras_graph.flatten(self.outputs)

    def after(self, values: Iterable[Value]) -> set[Value]:
        """Return every value that depends on one of ``values``, these excluded."""
        found = set(values)
        start = frozenset(found)
        for step in self.steps:
            if not found.isdisjoint(step.inputs):
                found.update(step.outputs)
        return found - start


def _enter(graph: Any, known: dict[int, Value], path: tuple[str, ...], steps: list[Step]) -> None:
    """Append the calls of a functional graph; ``known`` has the values of its symbols by id."""
    for node in keras_graph.graph_nodes(graph):
        if any(id(symbol) not in known for symbol in node.inputs):
            continue  # not computable from the inputs: Keras does not run it either
        inner = keras_graph.layer_graph(node.layer)
        if inner is not None:
            pairs = zip(inner.inputs, node.inputs, strict=True)
            inside = {id(symbol): known[id(given)] for symbol, given in pairs}
            _enter(inner, inside, (*path, node.layer.name), steps)
            for outside, symbol in zip(node.outputs, inner.outputs, strict=True):
                known[id(outside)] = made = inside[id(symbol)]
                if None in made.shape[1:]:  # built for any size, called on one
                    made.shape = keras_graph.shape_of(outside)
            continue

        def value(leaf: Any) -> Any:
            return known[id(leaf)] if keras_graph.is_symbolic(leaf) else leaf

        args, kwargs = keras_graph.map_structure((node.args, node.kwargs), value)
        outputs = tuple(Value(keras_graph.shape_of(symbol)) for symbol in node.outputs)
        inputs = tuple(known[id(symbol)] for symbol in node.inputs)
        steps.append(Step(node.layer, path, args, kwargs, inputs, outputs))
        known.update({id(symbol): one for symbol, one in zip(node.outputs, outputs, strict=True)})


def sizes(shape: Shape) -> str:
    """Return a shape without its batch axis, for messages: ``7x7x512``."""
    return "x".join("?" if size is None else str(size) for size in shape[1:])


class Names:
    """The names of the layers of a new network, which must differ."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def free(self, name: str, path: Sequence[str]) -> str:
        """Return ``name``, or where it is taken one that starts with the names in ``path``."""
        found, count = name, 1
        while found in self._taken:
            count += 1
            found = "_".join((*path, name)) if count == 2 and path else f"{name}_{count}"
        self._taken.add(found)
        return found
