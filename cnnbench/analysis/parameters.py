"""Count parameters: every variable once, however often its layer is used."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from typing import Any

from cnnbench.analysis import keras_api, keras_calls
from cnnbench.analysis.graph import ITEM_BYTES, Call, Graph, is_float


@dataclass(frozen=True)
class Parameters:
    """The variables of a network.

    Attributes:
        sizes: (elements, dtype) of every variable.
        trainable: trainable elements.
        by_call: for each call, the elements that no earlier call uses.
        unbuilt: names of layers that have no weights yet.
    """

    sizes: tuple[tuple[int, str], ...]
    trainable: int
    by_call: dict[Call, int]
    unbuilt: tuple[str, ...]

    @property
    def total(self) -> int:
        """All elements, as in ``count_params()``."""
        return sum(elements for elements, _ in self.sizes)

    def bytes(self, dtype: str | None = None) -> int:
        """Return their bytes; ``dtype`` replaces the type of floating-point variables."""
        return sum(
            elements * ITEM_BYTES.get(dtype if dtype and is_float(own) else own, 4)
            for elements, own in self.sizes
        )


def parameters(model: Any, graph: Graph) -> Parameters:
    """Collect the variables of ``model`` and spread them over the calls in ``graph``."""
    variables = _unique(model.weights)
    seen: set[int] = set()
    by_call: dict[Call, int] = {}
    calls = list(dict.fromkeys(op.call for op in graph.ops))
    known = {op.call for op in graph.ops if op.layer is not None}
    # Inner layers first: the remaining variables belong to the layer around them.
    for call in sorted(calls, key=lambda one: (one not in known, -one.name.count("/"))):
        own = [v for v in _unique(_weights(call.layer)) if id(v) not in seen]
        by_call[call] = sum(map(_elements, own))
        seen.update(map(id, own))
    return Parameters(
        sizes=tuple((_elements(v), keras_api.dtype_of(v)) for v in variables),
        trainable=sum(_elements(v) for v in _unique(model.trainable_weights)),
        by_call=by_call,
        unbuilt=tuple(keras_calls.unbuilt(model)),
    )


def _unique(variables: Iterable[Any]) -> list[Any]:
    return list({id(variable): variable for variable in variables}.values())


def _weights(layer: Any) -> list[Any]:
    return list(getattr(layer, "weights", None) or ())


def _elements(variable: Any) -> int:
    return prod(int(size) for size in variable.shape)
