"""What the analysis must know of a kind of layer: one ``Rule``, however it is counted."""

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
    """Where the output of an operation lives."""

    NEW = "new"  # in a buffer of its own
    IN_PLACE = "in place"  # element by element: may overwrite an input that nobody needs again
    ALIAS = "alias"  # it is the input, seen differently: costs nothing


@dataclass(frozen=True)
class Window:
    """Which inputs one output sees along one axis.

    Output ``u`` reads inputs ``u * stride - before`` to ``u * stride - before + extent - 1``.
    ``scale`` is how far the inputs are drawn apart before (up-sampling); 1 elsewhere.
    """

    extent: int = 1
    stride: int = 1
    before: int = 0
    scale: int = 1


Windows = tuple[Window, ...]  # one per spatial axis


if TYPE_CHECKING:
    Fields = Mapping[Tensor, Field]
    Move = Callable[[Op, Fields, Tensor], Field]


def no_work(op: Op) -> Work:
    """Moving, padding, joining and naming data: no arithmetic."""
    return NOTHING


@dataclass(frozen=True)
class Rule:
    """Analysis of one kind of layer.

    Attributes:
        count: the arithmetic of one image; None where this very call must be traced.
        move: the receptive field of an output from those of the inputs, which name tensors that
            depend on an input of the network; None where it is lost.
        storage: where the output lives.
        keeps: what the gradient needs again: ``input``, ``output``, both or neither.
        keeps_inside: how many elements more it needs that are made on the way.
        holds_inside: how many elements of one image live while it runs, and inside it only.
        training_only: at inference the identity, in training an operation (dropout, noise).
        linear: in its inputs, as far as it keeps them: only the gradient of its weights needs them.
        weighted: a layer in the sense of "a network of 16 layers": it has a kernel.
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
