"""Sliding probe: a fully convolutional classifier compared with the classifier on every window."""

from cnnbench.metrics import Metric
from cnnbench.probes.probe import Probe
from cnnbench.probes.sliding.settings import SlidingSetting, SlidingSpec
from cnnbench.probes.sliding.summary import columns, is_border

GROUP = "Sliding"

PROBE = Probe(
    name="sliding",
    spec=SlidingSpec,
    setting=SlidingSetting,
    run="cnnbench.probes.sliding.run",
    repeat="seed",
    across_rows=columns,
    details={"border": is_border},
    metrics=(
        Metric("windows", "count", None, "setting", exact=True, title="Windows", group=GROUP,
               rank=1),
        Metric("native_max_abs_diff", "ratio", "lower", "setting", title="Difference at its size",
               group=GROUP, rank=2),
        Metric("place_max_abs_diff", "ratio", "lower", "setting", title="Difference at any window",
               group=GROUP, rank=3),
        Metric("place_agreement", "fraction", "higher", "setting", title="Same class",
               group=GROUP, rank=4),
    ),
)  # fmt: skip
