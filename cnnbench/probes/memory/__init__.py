"""Memory probe: the peak of inference and of training, and the largest batch that fits."""

from cnnbench.metrics import Metric
from cnnbench.probes.memory.settings import MemorySetting, MemorySpec
from cnnbench.probes.probe import Probe

GROUP = "Memory"

PROBE = Probe(
    name="memory",
    spec=MemorySpec,
    setting=MemorySetting,
    run="cnnbench.probes.memory.run",
    metrics=(
        Metric("memory_infer_peak_bytes", "bytes", "lower", "setting", title="Inference memory",
               group=GROUP, rank=1),
        Metric("memory_train_peak_bytes", "bytes", "lower", "setting", title="Training memory",
               group=GROUP, rank=2),
        Metric("memory_predicted_bytes", "bytes", "lower", "setting", title="Predicted memory"),
        Metric("memory_ratio", "ratio", None, "setting", title="Measured ÷ predicted",
               group=GROUP, rank=3),
        Metric("max_batch", "count", "higher", "setting", title="Largest batch", group=GROUP,
               rank=4),
    ),
)  # fmt: skip
