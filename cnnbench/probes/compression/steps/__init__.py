"""The compression steps, in the order in which a variant applies them.

A new step is one file in this folder and one line in `STEPS`; another package adds one by an entry
point of the group ``cnnbench.compression_steps``.
"""

from __future__ import annotations

from cnnbench.plugins import Registry
from cnnbench.probes.compression.steps.base import Step

_HERE = "cnnbench.probes.compression.steps"
STEPS: Registry[type[Step]] = Registry(
    "cnnbench.compression_steps",
    "compression step",
    {
        "pruned": f"{_HERE}.pruning:Pruning",
        "clustered": f"{_HERE}.clustering:Clustering",
        "quantised": f"{_HERE}.quantisation:Quantisation",
    },
)

__all__ = ["STEPS", "Step"]
