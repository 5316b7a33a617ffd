"""Static probe: metrics that are counted without running the network."""

from cnnbench.metrics import Metric
from cnnbench.probes.probe import Probe
from cnnbench.probes.static.settings import StaticSetting, StaticSpec
from cnnbench.probes.static.summary import summarise

NETWORK, MEMORY, PUBLISHED = "Network", "Memory", "Published by Keras, measured elsewhere"

PROBE = Probe(
    name="static",
    spec=StaticSpec,
    setting=StaticSetting,
    run="cnnbench.probes.static.run",
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
    ),
)  # fmt: skip
