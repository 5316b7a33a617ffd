"""Load probe: copies of a network under the load of MLPerf Inference's scenarios."""

from cnnbench.metrics import Metric
from cnnbench.probes.load.settings import LoadSetting, LoadSpec
from cnnbench.probes.load.summary import are_precise, are_trials, summarise
from cnnbench.probes.probe import Probe
from cnnbench.record import are_words

GROUP, FAMILY = "Load", "load"

PROBE = Probe(
    name="load",
    spec=LoadSpec,
    setting=LoadSetting,
    run="cnnbench.probes.load.run",
    summary=summarise,
    is_precise=are_precise,
    details={"flags": are_words, "disturbances": are_words, "trials": are_trials},
    metrics=(
        Metric("load_qps", "per_s", "higher", "setting", title="Queries/s", group=GROUP, rank=1),
        Metric("load_p50_s", "s", "lower", "setting", title="Query p50", family=FAMILY),
        Metric("load_p90_s", "s", "lower", "setting", title="Query p90", family=FAMILY),
        Metric("load_p95_s", "s", "lower", "setting", title="Query p95", family=FAMILY),
        Metric("load_p99_s", "s", "lower", "setting", title="Query p99", group=GROUP, rank=2,
               family=FAMILY),
        Metric("load_generator_ratio", "ratio", None, "setting", primary=False,
               title="Generator at twice the rate"),
    ),
)  # fmt: skip
