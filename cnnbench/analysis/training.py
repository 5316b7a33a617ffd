"""What training must keep of the forward pass until the backward pass has used it."""

from __future__ import annotations

from cnnbench.analysis.graph import Graph, Op, Tensor
from cnnbench.analysis.rule import Storage
from cnnbench.analysis.rules_conv import is_active


def estimate_training_bytes(graph: Graph, batch: int = 1, dtype: str | None = None) -> int:
    """The bytes that the gradients of all layers read again, layer by layer.

    Each layer's rule says whether its gradient needs its inputs or its outputs (a convolution its
    inputs, a ReLU its outputs, an addition neither); every tensor is counted once.
    """
    owner: dict[Tensor, Tensor] = {}  # a view -> what it is a view of
    kept: dict[Tensor, None] = {}
    images = set(graph.inputs)
    for op in graph.ops:
        if op.rule is not None and op.rule.storage is Storage.ALIAS and op.inputs:
            owner.update({tensor: owner.get(op.input, op.input) for tensor in op.outputs})
            continue
        kept.update((owner.get(tensor, tensor), None) for tensor in _needed(op))
    return sum(tensor.bytes(batch, dtype) for tensor in kept if tensor not in images)


def _needed(op: Op) -> list[Tensor]:
    if op.rule is None:
        return [*op.inputs, *op.outputs]
    inputs = list(op.inputs) if "input" in op.rule.keeps else []
    kept_output = "output" in op.rule.keeps or (op.rule.weighted and is_active(op.layer))
    return inputs + (list(op.outputs) if kept_output else [])
