"""MACs and FLOPs of every operation by a convention, parameters, and the depth of a network."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from typing import Any

from cnnbench.analysis import keras_api, keras_calls
from cnnbench.analysis.graph import Call, Graph, Op, item_bytes
from cnnbench.analysis.work import Convention


@dataclass(frozen=True)
class Counted:
    """MACs and FLOPs of one operation for one image, by the chosen convention."""

    macs: int
    flops: int


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
        return sum(elements * item_bytes(own, dtype) for elements, own in self.sizes)


def count(graph: Graph, convention: Convention) -> list[Counted]:
    """Return the MACs and FLOPs of every operation of ``graph``."""
    if convention.traced:
        return [
            Counted(op.work.macs // graph.images, _profiler_flops(op) // graph.images)
            for op in graph.ops
        ]
    works = [op.work.per_image(graph.images) for op in graph.ops]
    return [Counted(convention.macs(work), convention.flops(work)) for work in works]


def depth(graph: Graph) -> int:
    """Return the longest path of layers with a kernel, as papers count depth.

    VGG16 has 16 and ResNet50 has 50: normalisation is not counted as a layer.
    """
    longest = dict.fromkeys(graph.inputs, 0)
    for op in graph.ops:
        here = max((longest.get(tensor, 0) for tensor in op.inputs), default=0)
        longest.update(dict.fromkeys(op.outputs, here + op.is_weighted))
    return max((longest.get(tensor, 0) for tensor in graph.outputs), default=0)


def parameters(model: Any, graph: Graph) -> Parameters:
    """Count every variable of ``model`` once, at the first call in ``graph`` that uses it."""
    variables = _unique(model.weights)
    seen: set[int] = set()
    by_call: dict[Call, int] = {}
    calls = list(dict.fromkeys(op.call for op in graph.ops))
    known = {op.call for op in graph.ops if op.layer is not None}
    # Inner layers first: the remaining variables belong to the layer around them.
    for call in sorted(calls, key=lambda one: (one not in known, -one.name.count("/"))):
        held = getattr(call.layer, "weights", None) or ()
        own = [variable for variable in _unique(held) if id(variable) not in seen]
        by_call[call] = sum(map(_elements, own))
        seen.update(map(id, own))
    return Parameters(
        sizes=tuple((_elements(v), keras_api.dtype_of(v)) for v in variables),
        trainable=sum(_elements(v) for v in _unique(model.trainable_weights)),
        by_call=by_call,
        unbuilt=tuple(keras_calls.unbuilt(model)),
    )


def _profiler_flops(op: Op) -> int:
    """Return the FLOPs that TensorFlow registers for the operations in ``op``.

    Operations without an entry in the registry count 0, as in ``tf.compat.v1.profiler``.
    """
    from tensorflow.python.framework import ops
    from tensorflow.python.profiler.internal import flops_registry  # noqa: F401  it registers

    total = 0
    for node, times in op.nodes:
        try:
            statistics = ops.get_stats_for_node_def(node.graph, node.node_def, "flops")
        except ValueError:  # an unknown shape: the profiler omits it as well
            continue
        total += max(times, 1) * int(statistics.value or 0)
    return total


def _unique(variables: Iterable[Any]) -> list[Any]:
    return list({id(variable): variable for variable in variables}.values())


def _elements(variable: Any) -> int:
    return prod(int(size) for size in variable.shape)
