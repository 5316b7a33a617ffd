"""Registry of the runtimes: one file per runtime here, and those of other packages.

Another package adds one by an entry point of the group ``cnnbench.runtimes`` whose value names a
`RuntimeInfo`; a suite then uses it by the entry point's name.
"""

from __future__ import annotations

from cnnbench.plugins import Registry
from cnnbench.probes.latency.runtimes.base import RuntimeBase
from cnnbench.probes.latency.runtimes.runtime import Runtime, RuntimeInfo

RUNTIMES: Registry[RuntimeInfo] = Registry(
    "cnnbench.runtimes",
    "runtime",
    {
        "predict": "cnnbench.probes.latency.runtimes.keras_call:PREDICT",
        "eager": "cnnbench.probes.latency.runtimes.keras_call:EAGER",
        "graph": "cnnbench.probes.latency.runtimes.graph:GRAPH",
        "xla": "cnnbench.probes.latency.runtimes.graph:XLA",
        "litert": "cnnbench.probes.latency.runtimes.litert:LITERT",
        "onnxruntime": "cnnbench.probes.latency.runtimes.onnxruntime:ONNXRUNTIME",
        "jax": "cnnbench.probes.latency.runtimes.jax:JAX",
        "openvino": "cnnbench.probes.latency.runtimes.openvino:OPENVINO",
    },
)

__all__ = ["RUNTIMES", "Runtime", "RuntimeBase", "RuntimeInfo"]
