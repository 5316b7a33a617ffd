"""Latency probe: one call of a network by runtime, device, threads, precision and batch size."""

from cnnbench.metrics import Metric
from cnnbench.probes.latency import tiers
from cnnbench.probes.latency.runtimes.executed import DETAILS
from cnnbench.probes.latency.settings import LatencySetting, LatencySpec
from cnnbench.probes.latency.summary import are_precise, summarise
from cnnbench.probes.probe import Probe
from cnnbench.record import are_words

GROUP, FAMILY = "Latency", "latency"

PROBE = Probe(
    name="latency",
    spec=LatencySpec,
    setting=LatencySetting,
    run="cnnbench.probes.latency.run",
    measures_devices=True,
    summary=summarise,
    is_precise=are_precise,
    details={"flags": are_words, **DETAILS},
    across_rows=tiers.columns,
    metrics=(
        Metric("convert_s", "s", "lower", "setting", title="Convert"),
        Metric("load_s", "s", "lower", "setting", title="Load"),
        Metric("compile_s", "s", "lower", "setting", title="Compile"),
        Metric("first_call_s", "s", "lower", "setting", title="First call"),
        Metric("latency_location_s", "s", "lower", "setting", title="Latency location",
               group=GROUP, rank=1, family=FAMILY),
        Metric("latency_mean_s", "s", "lower", "setting", title="Latency mean", family=FAMILY),
        Metric("latency_p50_s", "s", "lower", "setting", title="Latency p50", group=GROUP,
               family=FAMILY),
        Metric("latency_p90_s", "s", "lower", "setting", title="Latency p90", family=FAMILY),
        Metric("latency_p95_s", "s", "lower", "setting", title="Latency p95", family=FAMILY),
        Metric("latency_p99_s", "s", "lower", "setting", title="Latency p99", family=FAMILY),
        Metric("latency_p999_s", "s", "lower", "setting", title="Latency p99.9", family=FAMILY),
        # The tiers are those of the location.
        Metric("latency_tier", "count", None, "setting", primary=False, title="Latency tier",
               group=GROUP, rank=2),
        Metric("reference_s", "s", None, "setting", primary=False, title="Reference"),
        Metric("waited_s", "s", None, "setting", primary=False, title="Waited"),
        Metric("left_out_s", "s", None, "setting", primary=False, title="Left out"),
        Metric("disturbed_rounds", "count", None, "setting", primary=False,
               title="Disturbed rounds"),
        Metric("throughput_per_s", "per_s", "higher", "setting", title="Images/s"),
        Metric("achieved_flops_per_s", "per_s", "higher", "setting", title="FLOP/s"),
        Metric("output_max_abs_diff", "ratio", "lower", "setting", title="Output difference",
               is_check=True),
        # Shares of what a delegate or a provider took; they explain times and are not compared.
        Metric("accelerated_ops", "ratio", None, "setting", primary=False,
               title="Accelerated operations"),
        Metric("accelerated_macs", "ratio", None, "setting", primary=False,
               title="Accelerated MACs"),
        Metric("accelerated_partitions", "count", None, "setting", primary=False,
               title="Accelerated partitions"),
        Metric("file_bytes", "bytes", "lower", title="File", group="Network", rank=1),
        Metric("file_gzip_bytes", "bytes", "lower", "weights", title="Gzipped file",
               group="Network", rank=2),
    ),
)  # fmt: skip
