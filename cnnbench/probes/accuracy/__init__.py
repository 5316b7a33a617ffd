"""Accuracy probe: quality after a short training, or of a network as it comes."""

from cnnbench.metrics import Metric
from cnnbench.probes.accuracy import ranking
from cnnbench.probes.accuracy.settings import AccuracySetting, AccuracySpec
from cnnbench.probes.accuracy.summary import summarise
from cnnbench.probes.probe import Probe

GROUP = "Accuracy"

PROBE = Probe(
    name="accuracy",
    spec=AccuracySpec,
    setting=AccuracySetting,
    run="cnnbench.probes.accuracy.run",
    summary=summarise,
    repeat="seed",
    across_rows=ranking.columns,
    metrics=(
        Metric("top1", "fraction", "higher", "setting", title="Top-1", group=GROUP),
        Metric("top1_tier", "count", None, "setting", primary=False, title="Tier", group=GROUP,
               rank=1),
        Metric("top5", "fraction", "higher", "setting", title="Top-5", group=GROUP, rank=2),
        Metric("ece", "fraction", "lower", "setting", title="Calibration error"),
        Metric("loss", "ratio", "lower", "setting", title="Loss"),
        Metric("train_s", "s", "lower", "setting", title="Training"),
        Metric("time_to_target_s", "s", "lower", "setting", title="Time to target", group=GROUP,
               rank=3),
        Metric("epoch_s", "s", "lower", "setting", title="Epoch"),
        Metric("images_per_s", "per_s", "higher", "setting", title="Training images/s"),
    ),
)  # fmt: skip
