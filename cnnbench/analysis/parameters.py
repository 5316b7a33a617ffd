"""Parameters: every variable once, however often its layer is used."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from typing import Any

from cnnbench.analysis import keras_api
from cnnbench.analysis.graph import ITEM_BYTES, Graph, is_float


@dataclass(frozen=True)
class Parameters:
    """The variables of a network.

    Attributes:
        sizes: (elements, dtype) of every variable.
        trainable: elements that training changes.
        by_op: the elements that each operation is the first to use.
        unbuilt: names of layers that have no weights yet.
    """

    sizes: tuple[tuple[int, str], ...]
    trainable: int
    by_op: tuple[int, ...]
    unbuilt: tuple[str, ...]

    @property
    def total(self) -> int:
        """All elements, as ``count_params`` gives them."""
        return sum(elements for elements, _ in self.sizes)

    def bytes(self, dtype: str | None = None) -> int:
        """Their memory; ``dtype`` replaces the type of floating-point variables."""
        return sum(
            elements * ITEM_BYTES.get(dtype if dtype and is_float(own) else own, 4)
            for elements, own in self.sizes
        )


def parameters(model: Any, graph: Graph) -> Parameters:
    """Collect the variables of ``model`` and spread them over the operations of ``graph``."""
    variables = _unique(model.weights)
    seen: set[int] = set()
    by_op = []
    for op in graph.ops:
        operands = keras_api.flatten([list(op.args), dict(op.kwargs)])
        own = _unique([*_weights(op.layer), *filter(keras_api.is_variable, operands)])
        by_op.append(sum(_elements(v) for v in own if id(v) not in seen))
        seen.update(map(id, own))
    for position, layer in reversed(graph.entered):  # what no operation inside it names
        own = [v for v in _unique(_weights(layer)) if id(v) not in seen]
        if position < len(by_op):
            by_op[position] += sum(map(_elements, own))
            seen.update(map(id, own))
    return Parameters(
        sizes=tuple((_elements(v), _dtype(v)) for v in variables),
        trainable=sum(_elements(v) for v in _unique(model.trainable_weights)),
        by_op=tuple(by_op),
        unbuilt=tuple(_unbuilt(model)),
    )


def _unique(variables: Iterable[Any]) -> list[Any]:
    return list({id(variable): variable for variable in variables}.values())


def _weights(layer: Any) -> list[Any]:
    return list(getattr(layer, "weights", None) or ())


def _elements(variable: Any) -> int:
    return prod(int(size) for size in variable.shape)


def _dtype(variable: Any) -> str:
    dtype = variable.dtype
    return dtype if isinstance(dtype, str) else dtype.name


def _unbuilt(model: Any) -> list[str]:
    """Layers whose state does not exist yet, so that zero parameters would be a lie."""
    layers = getattr(model, "_flatten_layers", None)
    flat = list(layers(include_self=False, recursive=True)) if layers else []
    return [layer.name for layer in flat if not getattr(layer, "built", True)]
