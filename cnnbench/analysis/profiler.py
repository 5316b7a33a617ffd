"""FLOPs by TensorFlow's own statistics, as ``tf.compat.v1.profiler`` adds them up."""

from __future__ import annotations

from cnnbench.analysis.graph import Op
from cnnbench.analysis.rule import Storage
from cnnbench.analysis.trace import nodes, trace


def profiler_flops(op: Op) -> int | None:
    """The registered FLOPs of everything that one layer call runs, for one image.

    None where the layer cannot be traced. Operations without an entry in the registry count 0,
    as they do in the profiler.
    """
    if op.layer is None or (op.rule is not None and op.rule.storage is Storage.ALIAS):
        return 0
    from tensorflow.python.framework import ops
    from tensorflow.python.profiler.internal import flops_registry  # noqa: F401  it registers

    graph = trace(op)
    if graph is None:
        return None
    total = 0
    for node, times in nodes(graph):
        try:
            statistics = ops.get_stats_for_node_def(node.graph, node.node_def, "flops")
        except ValueError:  # a shape is not known: the profiler leaves it out as well
            continue
        total += times * int(statistics.value or 0)
    return total
