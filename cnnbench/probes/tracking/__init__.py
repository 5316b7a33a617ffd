"""Tracking probe: identities over sequences of frames, by any detector with any tracker."""

from cnnbench.metrics import Metric
from cnnbench.probes.probe import Probe
from cnnbench.probes.tracking.settings import TrackingSetting, TrackingSpec
from cnnbench.probes.tracking.summary import are_replicates, are_sequences, summarise
from cnnbench.record import is_text

GROUP = "Tracking"

PROBE = Probe(
    name="tracking",
    spec=TrackingSpec,
    setting=TrackingSetting,
    run="cnnbench.probes.tracking.run",
    summary=summarise,
    repeat="seed",
    details={
        "sequences": are_sequences,
        "replicates": are_replicates,
        "weights": is_text,
    },
    metrics=(
        Metric("hota", "fraction", "higher", "setting", title="HOTA", group=GROUP, rank=1),
        # 1 - errors / objects: negative where a tracker makes more errors than there are objects.
        Metric("mota", "ratio", "higher", "setting", title="MOTA", group=GROUP, rank=2),
        Metric("idf1", "fraction", "higher", "setting", title="IDF1", group=GROUP, rank=3),
        Metric("id_switches", "count", "lower", "setting", title="ID switches", group=GROUP,
               rank=4),
        Metric("tracker_s", "s", "lower", "setting", title="Tracker a frame", group=GROUP, rank=5),
        Metric("detector_s", "s", "lower", "setting", title="Detector a frame"),
    ),
)  # fmt: skip
