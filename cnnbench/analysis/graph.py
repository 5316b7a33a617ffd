"""A network as a flat list of operations in execution order: what every count works on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cnnbench.analysis.rule import Rule

FLOAT_BYTES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "float8": 1, "int8": 1}
ITEM_BYTES = {
    **FLOAT_BYTES,
    **{"int64": 8, "uint64": 8, "int32": 4, "uint32": 4, "int16": 2, "uint16": 2},
    **{"uint8": 1, "bool": 1, "complex64": 8, "complex128": 16},
}


@dataclass(frozen=True, eq=False)
class Tensor:
    """A value between two operations; two tensors are the same only if they are one object.

    Attributes:
        shape: the sizes; a leading None is the batch axis.
        dtype: its name.
        fold: how many rows of the leading axis belong to one image (more than one where a
            network folds time or windows into the batch).
    """

    shape: tuple[int | None, ...]
    dtype: str = "float32"
    fold: int = 1

    @property
    def sizes(self) -> tuple[int, ...]:
        """The shape for one image: the batch axis is ``fold``."""
        return tuple(self.fold if size is None else size for size in self.shape)

    @property
    def elements(self) -> int:
        """How many elements one image has."""
        return prod(self.sizes)

    def bytes(self, batch: int, dtype: str | None = None) -> int:
        """The memory of a batch; ``dtype`` replaces the type of floating-point tensors."""
        images = batch if self.shape and self.shape[0] is None else 1
        name = dtype if dtype and is_float(self.dtype) else self.dtype
        return self.elements * images * ITEM_BYTES.get(name, 4)

    @property
    def spatial(self) -> bool:
        """Whether it has axes between the batch and the channels."""
        return len(self.shape) > 2


def is_float(dtype: str) -> bool:
    """Whether ``dtype`` names a floating-point type."""
    return dtype.startswith(("float", "bfloat"))


@dataclass(frozen=True, eq=False)
class Op:
    """One call of a layer or of a bare operation.

    Attributes:
        name: the path of layer names, with ``#2`` and so on from the second call on.
        kind: the class name of the layer.
        layer: the Keras layer or operation itself; None for what the walk itself put in.
        rule: how to analyse it; None where it must be traced.
        args: what it was called with, tensors replaced by ``Tensor``.
        kwargs: likewise, by name.
        inputs: all tensors among them, in order.
        outputs: the tensors it returns, in order.
    """

    name: str
    kind: str
    layer: Any
    rule: Rule | None
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    @property
    def input(self) -> Tensor:
        """The first input."""
        return self.inputs[0]

    @property
    def output(self) -> Tensor:
        """The first output."""
        return self.outputs[0]


@dataclass
class Graph:
    """A network: its inputs, its operations in execution order, and its outputs.

    Attributes:
        batch: the batch size for which every shape is, or None where it is left open.
        entered: the layers that were entered and the position of the first operation inside.
    """

    inputs: tuple[Tensor, ...]
    ops: list[Op] = field(default_factory=list)
    outputs: tuple[Tensor, ...] = ()
    batch: int | None = None
    entered: list[tuple[int, Any]] = field(default_factory=list)

    def tensors(self) -> Iterator[Tensor]:
        """The outputs of all operations, in order of execution."""
        for op in self.ops:
            yield from op.outputs
