"""Share of a converted file that its variant's steps really reached: int8, sparse, clustered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnbench.probes.compression.flatbuffer import Kernel
from cnnbench.probes.compression.variants import Variant

_MOST_NAMED = 40


def metrics(kernels: Sequence[Kernel], variant: Variant) -> dict[str, float]:
    """Return ``sparsity``, ``distinct_weights``, and for all variants but float32 ``coverage_*``.

    Weights that several operations share count once, their MACs at every use.
    ``distinct_weights`` is the median over weights of the number of distinct values stored in the
    weight's kernel.
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
    """Return the number of kernels, and those that the variant does not cover, largest first."""
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
    """Return whether every step of ``variant`` is found in the kernel."""
    return all(step.covers(kernel, variant) for step in variant.steps)


def _stored(kernels: Sequence[Kernel]) -> list[Kernel]:
    """Return each stored kernel once, however many operations use it."""
    return list({kernel.buffer: kernel for kernel in kernels}.values())


def _median_distinct(kernels: Sequence[Kernel]) -> int:
    ordered = sorted(kernels, key=lambda kernel: kernel.distinct)
    sums = np.cumsum([kernel.params for kernel in ordered])
    return ordered[int(np.searchsorted(sums, sums[-1] / 2))].distinct
