"""Stages probe: time each stage from a JPEG file to the answer, and all of them end to end."""

from cnnbench.metrics import Metric
from cnnbench.probes.probe import Probe
from cnnbench.probes.stages.settings import COPIES, INSIDE, SHARE, STAGES, StagesSetting, StagesSpec
from cnnbench.probes.stages.summary import TEXTS, are_precise, columns, is_stage, summarise
from cnnbench.record import is_text

GROUP, FAMILY = "Stages", "end_to_end"

PROBE = Probe(
    name="stages",
    spec=StagesSpec,
    setting=StagesSetting,
    run="cnnbench.probes.stages.run",
    summary=summarise,
    is_precise=are_precise,
    across_rows=columns,
    details={
        **dict.fromkeys((*STAGES, *INSIDE, *COPIES), is_stage),
        **dict.fromkeys(TEXTS, is_text),
    },
    metrics=(
        # A section of the report shows all stages; the table has the end-to-end time.
        Metric("preprocess_s", "s", "lower", "setting", title="JPEG → input"),
        Metric("copy_in_s", "s", "lower", "setting", title="Copy in"),
        Metric("compute_s", "s", "lower", "setting", title="Compute"),
        Metric("copy_out_s", "s", "lower", "setting", title="Copy out"),
        Metric("network_s", "s", "lower", "setting", title="Network"),
        Metric("postprocess_s", "s", "lower", "setting", title="Postprocess"),
        Metric("finished_s", "s", "lower", "setting", title="Network with postprocess inside"),
        Metric("end_to_end_p50_s", "s", "lower", "setting", title="JPEG → answer p50",
               group=GROUP, family=FAMILY),
        Metric("end_to_end_p90_s", "s", "lower", "setting", title="JPEG → answer p90",
               family=FAMILY),
        Metric("end_to_end_p95_s", "s", "lower", "setting", title="JPEG → answer p95",
               family=FAMILY),
        Metric("end_to_end_p99_s", "s", "lower", "setting", title="JPEG → answer p99",
               family=FAMILY),
        Metric("end_to_end_p999_s", "s", "lower", "setting", title="JPEG → answer p99.9",
               family=FAMILY),
        Metric(SHARE, "ratio", None, "setting", primary=False, title="Stages ÷ JPEG → answer"),
    ),
)  # fmt: skip
