"""FLOPs by TensorFlow's own statistics, as ``tf.compat.v1.profiler`` adds them up."""

from __future__ import annotations

from cnnbench.analysis.graph import Op


def profiler_flops(op: Op) -> int:
    """The registered FLOPs of the TensorFlow operations that ``op`` is made of.

    Operations without an entry in the registry count 0, as they do in the profiler.
    """
    from tensorflow.python.framework import ops
    from tensorflow.python.profiler.internal import flops_registry  # noqa: F401  it registers

    total = 0
    for node, times in op.nodes:
        try:
            statistics = ops.get_stats_for_node_def(node.graph, node.node_def, "flops")
        except ValueError:  # a shape is not known: the profiler leaves it out as well
            continue
        total += max(times, 1) * int(statistics.value or 0)
    return total
