"""A round of one runtime: opened, called once, and timed.

Needs NumPy and the runtime alone, so that it runs on a device too. Outputs are judged elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnbench.probes.interface import ProbeResult
from cnnbench.probes.latency.timed_calls import timed
from cnnbench.probes.latency.timed_round import TimingConfig
from cnnbench.text import plural

if TYPE_CHECKING:
    from cnnbench.probes.latency.runtimes.runtime import Runtime


@dataclass(frozen=True)
class Observation:
    """A round.

    Attributes:
        result: everything but the comparison of the outputs.
        outputs: of the first call.
        tolerance: as of `Runtime.tolerance`.
    """

    result: ProbeResult
    outputs: Sequence[np.ndarray]
    tolerance: float


def observed(
    runtime: Runtime,
    images: Sequence[np.ndarray],
    workload: str | None,
    config: TimingConfig,
    fastest: Mapping[str, float] = MappingProxyType({}),
    opening: AbstractContextManager[None] | None = None,
) -> Observation:
    """Open a runtime that is not loaded yet, call it once, then time it, and close it.

    Args:
        runtime: the runtime.
        images: inputs, used in turn.
        workload: of the reference, by which its times are divided; None for none.
        config: duration of the measurement.
        fastest: readings of the reference in earlier jobs, as in `Context`.
        opening: entered for the opening and the first call; it may change their errors.
    """
    metrics: dict[str, float] = {}
    begin = time.perf_counter()
    runtime.start()
    with opening or nullcontext():
        metrics["load_s"], _ = _seconds(runtime.load)
        metrics["compile_s"], _ = _seconds(lambda: runtime.compile(images[0]))
        inputs = [runtime.feed(one) for one in images]
        metrics["first_call_s"], result = _seconds(lambda: runtime.call(inputs[0]))
    # A copy: a runtime may use the memory of its outputs again.
    outputs = [np.array(output) for output in runtime.outputs(result)]
    del result

    setting = runtime.setting
    found = timed(
        runtime.call,
        inputs,
        runtime.threads,
        workload,
        config,
        fastest,
        setting.batch_size,
        setting.has_tail,
    )
    work_s = time.perf_counter() - begin
    threads_in_use = runtime.threads_in_use()
    runtime.close()

    flags = list(found.details["flags"])
    if threads_in_use not in (None, runtime.threads):
        flags.append(
            f"the runtime uses {plural(threads_in_use, 'thread')} instead of {runtime.threads}"
        )
    details = {
        **found.details,
        "flags": flags,
        "work_s": round(work_s, 3),
        "arithmetic": runtime.arithmetic(),
        "threads": runtime.threads,
        "threads_in_use": threads_in_use,
    }
    return Observation(
        ProbeResult(metrics | found.metrics, found.samples, details), outputs, runtime.tolerance()
    )


def _seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result
