"""`Graph`: a network as a flat list of operations in execution order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

from cnnbench.analysis.rule import Rule, Storage
from cnnbench.analysis.work import NOTHING, Work

FLOAT_BYTES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "float8": 1, "int8": 1}
ITEM_BYTES = {
    **FLOAT_BYTES,
    **{"int64": 8, "uint64": 8, "int32": 4, "uint32": 4, "int16": 2, "uint16": 2},
    **{"uint8": 1, "bool": 1, "complex64": 8, "complex128": 16},
}


@dataclass(frozen=True, eq=False)
class Tensor:
    """A value between two operations, compared by identity.

    Attributes:
        sizes: the shape for ``images`` images, whatever the network folds into the batch axis; 0
            for a size that is known only when the network runs.
        dtype: its name.
        images: number of images that it holds.
    """

    sizes: tuple[int, ...]
    dtype: str = "float32"
    images: int = 1

    @property
    def elements(self) -> int:
        """Number of elements, of all its images together."""
        return prod(self.sizes)

    def bytes(self, batch: int, dtype: str | None = None) -> int:
        """Return the bytes of a batch; ``dtype`` replaces the type of floating-point tensors."""
        return self.elements * batch // self.images * item_bytes(self.dtype, dtype)


def item_bytes(dtype: str, wanted: str | None = None) -> int:
    """Return the bytes of one element; ``wanted`` replaces floating-point types."""
    is_float = dtype.startswith(("float", "bfloat"))
    return ITEM_BYTES.get(wanted if wanted and is_float else dtype, 4)


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a layer: a row of the report.

    Attributes:
        name: the path of layer names, with ``#2`` and so on from the second call on.
        kind: the class name of the layer.
        layer: the Keras layer or operation itself.
    """

    name: str
    kind: str
    layer: Any


@dataclass(frozen=True)
class Uncounted:
    """An operation that could not be counted, and why."""

    name: str
    reason: str


@dataclass(frozen=True, eq=False)
class Op:
    """One call of a layer whose rule is known, or one operation inside another layer.

    Attributes:
        call: the layer call that it belongs to.
        kind: the class name of the layer, or the type of the TensorFlow operation.
        rule: how to analyse it; None if unknown.
        layer: the Keras layer or operation; None for a TensorFlow operation.
        args: its arguments with every tensor replaced by a ``Tensor``; named ones in the order of
            the parameters of ``call``.
        inputs: all tensors among them, in order.
        outputs: the tensors it returns, in order.
        work: its arithmetic, for all images in its tensors.
        uncounted: parts of it that could not be counted.
        is_trained: it reads a trainable weight.
        is_weighted: it counts as a layer in the depth of a network.
        nodes: the TensorFlow operations it consists of and how often each runs; empty if the
            network was counted from its layers.
    """

    call: Call
    kind: str
    rule: Rule | None
    layer: Any
    args: Mapping[str, Any]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    work: Work = NOTHING
    uncounted: tuple[Uncounted, ...] = ()
    is_trained: bool = False
    is_weighted: bool = False
    nodes: tuple[tuple[Any, int], ...] = ()

    @property
    def name(self) -> str:
        """The name of the layer call that it belongs to."""
        return self.call.name

    @property
    def is_alias(self) -> bool:
        """True if its output shares the memory of its input."""
        return self.rule is not None and self.rule.storage is Storage.ALIAS

    @property
    def input(self) -> Tensor:
        """The first input."""
        return self.inputs[0]

    @property
    def output(self) -> Tensor:
        """The first output."""
        return self.outputs[0]


@dataclass(frozen=True)
class Loop:
    """The part of a graph that runs ``iterations`` times.

    Attributes:
        start, end: positions of its first operation, and of the one after its last.
        iterations: how often it runs.
        carried: pairs of a tensor that an iteration reads, and its source in the one before.
    """

    start: int
    end: int
    iterations: int
    carried: tuple[tuple[Tensor, Tensor], ...]


LAYERS, TRACED = "layers", "traced graph"


@dataclass
class Graph:
    """A network: its inputs, its operations in execution order, and its outputs.

    Attributes:
        images: number of images in its tensors.
        method: how the operations were listed: from ``layers`` or from a ``traced graph``.
        loops: the parts that run several times, inner ones first.
        upper_bounds: conditions of which the most expensive branch was counted, with the reason.
        has_unknown_sizes: some sizes are known only when the network runs.
    """

    inputs: tuple[Tensor, ...]
    ops: list[Op] = field(default_factory=list)
    outputs: tuple[Tensor, ...] = ()
    images: int = 1
    method: str = LAYERS
    loops: list[Loop] = field(default_factory=list)
    upper_bounds: list[Uncounted] = field(default_factory=list)
    has_unknown_sizes: bool = False

    def tensors(self) -> Iterator[Tensor]:
        """Yield the outputs of all operations, in execution order."""
        for op in self.ops:
            yield from op.outputs
