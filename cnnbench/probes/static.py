"""Static probe: metrics that are counted without running the network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import ClassVar

from cnnbench.metrics import Metric
from cnnbench.models.handle import ModelHandle, ModelInfo
from cnnbench.probes.interface import Context, ProbeResult
from cnnbench.probes.probe import Probe
from cnnbench.probes.settings import Setting, Spec
from cnnbench.probes.summary import plain
from cnnbench.record import Record
from cnnbench.schema import BatchSize, BatchSizes
from cnnbench.statistics.measurement import CellStatus, Measurement
from cnnbench.statistics.verdict import Verdict

NETWORK, MEMORY, PUBLISHED = "Network", "Memory", "Published by Keras, measured elsewhere"
OF_TORCHVISION = "Published by torchvision for its own weights, on COCO"


class StaticSetting(Setting):
    """Counts at one batch size (only the activation memory depends on it)."""

    probe: ClassVar[str] = "static"
    is_light: ClassVar[bool] = True
    batch_size: BatchSize = 1

    def label(self) -> str:
        return f"b{self.batch_size}"

    def primary_metrics(self) -> tuple[str, ...]:
        return ("params", "macs", "activation_infer_peak_bytes")


class StaticSpec(Spec):
    """``static: {batch_sizes: [1, 32]}``

    Attributes:
        batch_sizes: batch sizes for which activation memory is predicted.
    """

    batch_sizes: BatchSizes = [1]

    def settings(self, model: ModelInfo) -> Iterator[StaticSetting]:
        for batch_size in self.batch_sizes:
            yield StaticSetting(batch_size=batch_size)


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


def summarise(records: Sequence[Record], status: CellStatus) -> dict[str, Measurement]:
    """Summarise as `plain`, with a verdict for counts that are only bounds."""
    bounds = records[-1].details.get("bounds") or {}
    return {
        name: replace(one, verdict=Verdict.unstable(bounds[name])) if name in bounds else one
        for name, one in plain(records, status).items()
    }


PROBE = Probe(
    name="static",
    spec=StaticSpec,
    setting=StaticSetting,
    run=__name__,
    summary=summarise,
    counts_only=True,
    metrics=(
        Metric("params", "count", "lower", exact=True, title="Params", group=NETWORK, rank=3,
               layer_field="params"),
        Metric("trainable_params", "count", "lower", exact=True, title="Trainable",
               layer_field="params"),
        Metric("weight_bytes", "bytes", "lower", exact=True, title="Weights", group=NETWORK,
               layer_field="params"),
        Metric("macs", "count", "lower", exact=True, title="MACs", group=NETWORK, rank=5,
               layer_field="macs"),
        Metric("flops", "count", "lower", exact=True, title="FLOPs", layer_field="flops"),
        Metric("uncounted_ops", "count", "lower", exact=True, title="Uncounted ops"),
        Metric("receptive_field_px", "px", exact=True, title="Receptive field"),
        Metric("depth", "count", exact=True, title="Depth", group=NETWORK, rank=4),
        *(
            Metric(name, "bytes", "lower", "batch", exact=True, title=title, group=group,
                   layer_field=field)
            for name, title, group, field in [
                ("activation_sum_bytes", "Activation sum", "", "activation_bytes"),
                ("activation_train_bytes", "Training activations", "", "activation_bytes"),
                ("activation_infer_peak_bytes", "Activation peak", MEMORY, "live_bytes"),
            ]
        ),
        Metric("published_top1", "fraction", "higher", title="Top-1", group=PUBLISHED, rank=1),
        Metric("published_top5", "fraction", "higher", title="Top-5", group=PUBLISHED, rank=2),
        Metric("published_size_bytes", "bytes", "lower", title="Size", group=PUBLISHED),
        Metric("published_params", "count", "lower", title="Params", group=PUBLISHED, rank=3),
        Metric("published_depth", "count", title="Depth", group=PUBLISHED, rank=4),
        Metric("published_cpu_s", "s", "lower", title="CPU", group=PUBLISHED, rank=5),
        Metric("published_gpu_s", "s", "lower", title="GPU", group=PUBLISHED, rank=6),
        Metric("published_box_map", "fraction", "higher", title="Box AP", group=OF_TORCHVISION),
        Metric("published_segmentation_miou", "fraction", "higher", title="Mean IoU",
               group=OF_TORCHVISION),
        Metric("published_pixel_accuracy", "fraction", "higher", title="Pixel accuracy",
               group=OF_TORCHVISION),
    ),
)  # fmt: skip
