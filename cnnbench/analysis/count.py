"""MACs and FLOPs of every operation by a convention, and the depth of a network."""

from __future__ import annotations

from dataclasses import dataclass

from cnnbench.analysis.graph import Graph, Op
from cnnbench.analysis.work import Convention


@dataclass(frozen=True)
class Counted:
    """MACs and FLOPs of one operation for one image, by the chosen convention."""

    macs: int
    flops: int


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
