"""The work of every operation: by its rule, else by tracing it, else by name."""

from __future__ import annotations

from dataclasses import dataclass

from cnnbench.analysis.graph import Graph, Op
from cnnbench.analysis.work import NOTHING, Convention, Work


@dataclass(frozen=True)
class Counted:
    """What was found out about one operation, for one image.

    Attributes:
        work: the arithmetic by kind.
        macs: its multiply-adds, by the convention asked for.
        flops: its FLOPs, by the convention asked for.
        uncounted: names of what could not be counted in it; empty where all was.
    """

    work: Work
    macs: int
    flops: int
    uncounted: tuple[str, ...] = ()


def count(graph: Graph, convention: Convention) -> list[Counted]:
    """The work of every operation of ``graph``."""
    return [_count(op, convention, graph.batch or 1) for op in graph.ops]


def _count(op: Op, convention: Convention, batch: int) -> Counted:
    work, unknown = _work(op)
    work = work.per_image(batch)
    if not convention.traced:
        return Counted(work, convention.macs(work), convention.flops(work), unknown)
    from cnnbench.analysis.profiler import profiler_flops

    flops = profiler_flops(op)
    if flops is None:
        return Counted(work, work.macs, 0, (f"{op.name} ({op.kind})",))
    return Counted(work, work.macs, flops // batch)


def _work(op: Op) -> tuple[Work, tuple[str, ...]]:
    """The arithmetic of one operation, and the names of what could not be counted in it."""
    plain = op.rule is not None and not getattr(op.layer, "lora_enabled", False)
    work = op.rule.count(op) if op.rule is not None and plain else None
    if work is not None:
        return work, ()
    from cnnbench.analysis.trace import count_graph, trace

    graph = trace(op)
    if graph is None:
        return NOTHING, (f"{op.name} ({op.kind})",)
    traced = count_graph(graph)
    return traced.work, tuple(f"{op.name} ({op.kind}: {kind})" for kind in traced.unknown)


def depth(graph: Graph, counted: list[Counted]) -> int:
    """The longest path of layers with weights, in the papers' sense: layers with a kernel.

    So VGG16 has 16 and ResNet50 has 50: normalisation, which folds into the convolution before
    it, is not a layer of its own.
    """
    longest = dict.fromkeys(graph.inputs, 0)
    for op, found in zip(graph.ops, counted, strict=True):
        here = max((longest[tensor] for tensor in op.inputs), default=0)
        weighted = op.rule.weighted if op.rule is not None else found.work.macs > 0
        longest.update(dict.fromkeys(op.outputs, here + weighted))
    return max((longest[tensor] for tensor in graph.outputs), default=0)
