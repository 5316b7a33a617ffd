"""Measuring half of the ``static`` probe: build a network without weights and count it."""

from __future__ import annotations

from cnnbench.models.handle import ModelHandle
from cnnbench.probes.interface import Context, ProbeResult
from cnnbench.probes.static.settings import StaticSetting


def run(model: ModelHandle, setting: StaticSetting, context: Context) -> ProbeResult:
    """Count the parameters, MACs, FLOPs, activation memory and receptive field of ``model``.

    Args:
        model: built without weights.
        setting: its ``batch_size`` is the batch of the memory metrics.
        context: not used; counting needs neither data nor disk space.

    Returns:
        The counted metrics and the published ones. The details hold the uncounted operations with
        the reasons, the metrics that are bounds, notes, the layer of the inference peak, and how
        the training memory was found (by the fast estimate where the gradient cannot be traced,
        with the reason).
    """
    from cnnbench.analysis import inspect, weightless

    with weightless():
        found = inspect(
            model.architecture(),
            batch_size=setting.batch_size,
            input_shape=model.input_shape or None,
            trace_training=True,
        )
    return ProbeResult(
        metrics={**found.metrics, **model.published()},
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
