"""The static probe: everything that can be counted of a network, without running it."""

from __future__ import annotations

from typing import Any

from cnnbench.models.handle import ModelHandle
from cnnbench.probes.interface import Context, ProbeResult


def run(subject: ModelHandle, setting: Any, context: Context) -> ProbeResult:
    """Build ``subject`` without weights and count it.

    Args:
        subject: the network.
        setting: has ``batch_size``, the batch of the memory metrics.
        context: not used; counting needs neither data nor room on disk.

    Returns:
        The counted metrics and the subject's published ones. In the details: the operations that
        could not be counted and why, which metrics are bounds, what else a reader must know, the
        layer of the inference peak, and how the training memory was found (by the fast estimate
        where the gradient cannot be traced, with the reason).
    """
    from cnnbench.analysis import inspect, weightless

    with weightless():
        found = inspect(
            subject.architecture(),
            batch_size=setting.batch_size,
            input_shape=subject.input_shape or None,
            trace_training=True,
        )
    return ProbeResult(
        metrics={**found.metrics, **subject.published()},
        details={
            "uncounted_ops": found.uncounted_ops,
            "uncounted_reasons": found.uncounted_reasons,
            "bounds": found.bounds,
            "notes": found.notes,
            "counted_from": found.graph.method,
            "peak_layer": found.peak_layer,
            "training_memory": found.training_method,
            "training_memory_reason": found.training_reason,
        },
    )
