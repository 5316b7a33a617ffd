"""Compression probe: quantised, pruned or clustered variants of a trained model, in LiteRT."""

from cnnbench.metrics import Metric
from cnnbench.probes.accuracy import DETAILS
from cnnbench.probes.compression.settings import CompressionSetting, CompressionSpec
from cnnbench.probes.compression.summary import COLUMN, columns, summarise
from cnnbench.probes.latency.runtimes.executed import DETAILS as RAN
from cnnbench.probes.latency.summary import are_precise
from cnnbench.probes.probe import Probe
from cnnbench.record import are_words

GROUP = "Compression"

PROBE = Probe(
    name="compression",
    spec=CompressionSpec,
    setting=CompressionSetting,
    run="cnnbench.probes.compression.run",
    measures_devices=True,
    summary=summarise,
    is_precise=are_precise,
    across_rows=columns,
    verdicts=(COLUMN,),
    details={**DETAILS, **RAN, "flags": are_words},
    # Compare float32 with its variants by this probe's rounds, which are interleaved with theirs.
    precedence=1,
    metrics=(
        Metric("sparsity", "fraction", None, "weights", title="Sparsity", group=GROUP),
        Metric("distinct_weights", "count", "lower", "weights", title="Distinct weights",
               group=GROUP, rank=1),
        Metric("coverage_params", "fraction", "higher", "weights", title="Params covered",
               group=GROUP, rank=3),
        Metric("coverage_macs", "fraction", "higher", "weights", title="MACs covered",
               group=GROUP, rank=2),
        Metric("agreement", "fraction", "higher", "setting", title="Agreement", group=GROUP,
               rank=4, is_share=True),
    ),
)  # fmt: skip
