"""`Rule`: how one kind of layer or operation is analysed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from cnnbench.analysis.work import NOTHING, Work

if TYPE_CHECKING:
    from cnnbench.analysis.graph import Op, Tensor
    from cnnbench.analysis.receptive_field.field import Field


class Storage(Enum):
    """The buffer that holds the output of an operation."""

    NEW = "new"  # a buffer of its own
    IN_PLACE = "in place"  # element-wise: may overwrite an input that is not read again
    ALIAS = "alias"  # the buffer of the input: no memory of its own


@dataclass(frozen=True)
class Window:
    """The inputs that one output sees along one axis.

    Output ``u`` reads inputs ``u * stride - before`` to ``u * stride - before + extent - 1``.
    ``scale`` is the factor by which the inputs are up-sampled before; usually 1.
    """

    extent: int = 1
    stride: int = 1
    before: int = 0
    scale: int = 1


Windows = tuple[Window, ...]  # one per spatial axis

# What the gradient of a rule keeps.
INPUT, OUTPUT = frozenset({"input"}), frozenset({"output"})


def names(text: str) -> list[str]:
    """Return the names of layers or operations in ``text``, separated by spaces."""
    return text.split()


if TYPE_CHECKING:
    Fields = Mapping[Tensor, Field]
    Move = Callable[[Op, Fields, Tensor], Field]


def no_work(op: Op) -> Work:
    """Count no arithmetic: the operation only moves or renames data."""
    return NOTHING


@dataclass(frozen=True)
class Rule:
    """Analysis of one kind of layer.

    Attributes:
        count: returns the arithmetic of a call; None if this call must be traced.
        move: returns the receptive field of an output, given those of the inputs that depend on
            an input of the network; without it the field is lost.
        storage: the buffer of the output.
        keeps: tensors that the gradient reads: ``input``, ``output``, both or neither.
        keeps_inside: returns how many intermediate elements the gradient reads as well.
        holds_inside: returns how many intermediate elements are alive while it runs.
        training_only: the identity at inference, an operation in training (dropout, noise).
        linear: linear in its inputs: only the gradient of its weights reads them.
        weighted: counts as a layer in the depth of a network: it has a kernel.
        final: its MACs are used even where they can be traced; set by `add_rule`.
    """

    count: Callable[[Op], Work | None] = no_work
    move: Move | None = None
    storage: Storage = Storage.NEW
    keeps: frozenset[str] = frozenset()
    keeps_inside: Callable[[Op], int] | None = None
    holds_inside: Callable[[Op], int] | None = None
    training_only: bool = False
    linear: bool = False
    weighted: bool = False
    final: bool = False
