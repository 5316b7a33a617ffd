"""The work of every operation: by its rule, else by tracing it, else by name."""

from __future__ import annotations

from dataclasses import dataclass

from cnnbench.analysis.graph import Graph, Op
from cnnbench.analysis.work import NOTHING, Work


@dataclass(frozen=True)
class Counted:
    """What was found out about one operation.

    Attributes:
        work: the arithmetic of one image.
        uncounted: names of what could not be counted in it; empty where all was.
    """

    work: Work
    uncounted: tuple[str, ...] = ()


def count(graph: Graph) -> list[Counted]:
    """The work of every operation of ``graph``, for one image."""
    found = [_count(op) for op in graph.ops]
    if graph.batch in (None, 1):
        return found
    batch = graph.batch or 1
    return [Counted(one.work.per_image(batch), one.uncounted) for one in found]


def _count(op: Op) -> Counted:
    work = op.rule.count(op) if op.rule is not None else None
    if work is not None:
        return Counted(work)
    from cnnbench.analysis.trace import trace_op

    traced = trace_op(op)
    if traced is None:
        return Counted(NOTHING, (f"{op.name} ({op.kind})",))
    return Counted(traced.work, tuple(f"{op.name} ({op.kind}: {kind})" for kind in traced.unknown))


def depth(graph: Graph) -> int:
    """The longest path of layers with weights, in the papers' sense: layers with a kernel.

    So VGG16 has 16 and ResNet50 has 50: normalisation, which folds into the convolution before
    it, is not a layer of its own.
    """
    longest = dict.fromkeys(graph.inputs, 0)
    for op in graph.ops:
        here = max((longest[tensor] for tensor in op.inputs), default=0)
        weighted = op.rule.weighted if op.rule is not None else bool(_weights(op))
        longest.update(dict.fromkeys(op.outputs, here + weighted))
    return max((longest[tensor] for tensor in graph.outputs), default=0)


def _weights(op: Op) -> list[object]:
    return list(getattr(op.layer, "weights", None) or ())
