"""How much of a converted file really is what its variant says: int8, sparse, clustered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnbench.probes.compression.flatbuffer import Kernel
from cnnbench.probes.compression.variants import Variant

# Pruning rounds to whole weights, and a few weights are zero or not zero by chance.
_SPARSITY_SLACK = 0.02
_MOST_NAMED = 40


def metrics(kernels: Sequence[Kernel], variant: Variant) -> dict[str, float]:
    """``sparsity``, ``distinct_weights``, and for all but float32 ``coverage_*``.

    Weights that several operations share count once, their work at every use.
    ``distinct_weights`` is the number of different stored values in the kernel that a typical
    weight belongs to: the median over weights.
    """
    stored = _stored(kernels)
    params = sum(kernel.params for kernel in stored)
    if not params:
        return {}
    found = {
        "sparsity": sum(kernel.zeros for kernel in stored) / params,
        "distinct_weights": float(_median_distinct(stored)),
    }
    if variant != Variant():
        done = [kernel for kernel in kernels if covers(kernel, variant)]
        macs = sum(kernel.macs for kernel in kernels)
        found["coverage_params"] = sum(kernel.params for kernel in _stored(done)) / params
        found["coverage_macs"] = sum(kernel.macs for kernel in done) / macs
    return found


def details(kernels: Sequence[Kernel], variant: Variant) -> dict[str, Any]:
    """The kernels that are not what the variant says, counted and named, the largest first."""
    count = {"kernels": len(_stored(kernels))}
    if variant == Variant():
        return count
    rest = sorted(
        (kernel for kernel in kernels if not covers(kernel, variant)), key=lambda k: -k.params
    )
    return count | {
        "kernels_uncovered": len(_stored(rest)),
        "uncovered": [
            {"op": k.op, "name": k.name, "dtype": k.dtype, "params": k.params, "macs": k.macs}
            for k in rest[:_MOST_NAMED]
        ],
    }


def covers(kernel: Kernel, variant: Variant) -> bool:
    """Whether every step of ``variant`` is found in the kernel."""
    if variant.two_of_four and not kernel.is_two_of_four:
        return False
    wanted = (variant.sparsity or 0.0) - _SPARSITY_SLACK
    if variant.is_pruned and not variant.two_of_four and kernel.zeros < wanted * kernel.params:
        return False
    clusters = (variant.clusters or 0) + variant.is_pruned  # zero is one more
    if variant.clusters is not None and not kernel.has_clusters(clusters):
        return False
    match variant.quantisation:
        case "ptq-int8" | "qat-int8":
            return kernel.dtype == kernel.data_dtype == "INT8"
        case "ptq-dynamic":
            return kernel.dtype == "INT8"
        case "ptq-float16":
            return kernel.dtype == "FLOAT16"
    return True


def _stored(kernels: Sequence[Kernel]) -> list[Kernel]:
    """Each of them once, however many operations use it."""
    return list({kernel.buffer: kernel for kernel in kernels}.values())


def _median_distinct(kernels: Sequence[Kernel]) -> int:
    ordered = sorted(kernels, key=lambda kernel: kernel.distinct)
    sums = np.cumsum([kernel.params for kernel in ordered])
    return ordered[int(np.searchsorted(sums, sums[-1] / 2))].distinct
