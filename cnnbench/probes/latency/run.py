"""The ``latency`` probe: one call path, timed in a fresh process.

``prepare`` makes once what every round opens; a round loads, compiles, compares the output with
Keras', warms up, and times calls in blocks that alternate with a reference.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cnnbench.models.handle import ModelHandle
from cnnbench.probes.interface import Context, ProbeResult
from cnnbench.probes.latency import calibrated_model
from cnnbench.probes.latency.runtimes import CallPath, find
from cnnbench.probes.latency.runtimes.tensorflow_device import keep_float32_exact, show_gpu
from cnnbench.probes.latency.settings import LatencySetting
from cnnbench.probes.latency.timing import machine
from cnnbench.probes.latency.timing.loop import (
    Timing,
    TimingConfig,
    WarmUp,
    location,
    measure,
    warm_up,
)
from cnnbench.probes.latency.timing.reference_workload import reference
from cnnbench.probes.memory import peak
from cnnbench.statistics.percentiles import percentile

EFFORT = TimingConfig()

# Thinned evenly: a record stays below some 20 kB, and a table pools those of all rounds.
_MOST_SAMPLES = 1000
# Relative change of the ratio to the reference between the first and the last third of blocks.
_DRIFT = 0.10


def prepare(subject: ModelHandle, setting: LatencySetting, context: Context) -> ProbeResult:
    """Make the weights, the expected output and the file that the runtime opens.

    Raises:
        Unavailable: the runtime, the device or the precision is not to be had here.
        JobFailed: the network's output is constant, so that nothing can be compared.
    """
    runtime = find(setting.runtime)
    runtime.check(setting)
    path = runtime(subject, setting, context.artifacts)
    show_gpu(setting.device == "gpu")
    if setting.device == "gpu":
        keep_float32_exact()
    if calibrated_model.is_large(subject):
        # Else the converter lacks what the eager calls needed: 9 GB of EfficientNetB7.
        peak.without_tensorflow_pool()
        peak.return_freed_memory()
    import keras  # noqa: F401 - not part of the work

    begin = time.perf_counter()
    context.report_progress("building")
    model = calibrated_model.build(subject, shared=context.artifacts.parent)
    context.report_progress("asking Keras")
    calibrated_model.write_expected(subject, model, setting.batch_size, context.artifacts)
    context.report_progress("converting")
    if not runtime.lowers_precision:
        model = calibrated_model.in_precision(subject, model, setting.dtype)
    metrics = path.prepare(model)
    return ProbeResult(metrics, details={"work_s": round(time.perf_counter() - begin, 3)})


def run(subject: ModelHandle, setting: LatencySetting, context: Context) -> ProbeResult:
    """One round: open, compare, warm up, measure, close.

    Raises:
        Unavailable: as `prepare`.
    """
    runtime = find(setting.runtime)
    runtime.check(setting)
    return measured(runtime(subject, setting, context.artifacts), context.artifacts, EFFORT)


def measured(path: CallPath, folder: Path, effort: TimingConfig) -> ProbeResult:
    """Measure an unopened call path, whose expected output lies in ``folder``."""
    expected = calibrated_model.read_expected(folder)
    metrics: dict[str, float] = {}
    begin = time.perf_counter()
    path.start()
    metrics["load_s"], _ = _seconds(path.load)
    metrics["compile_s"], _ = _seconds(lambda: path.compile(expected.inputs[0]))
    inputs = [path.feed(images) for images in expected.inputs]
    metrics["first_call_s"], result = _seconds(lambda: path.call(inputs[0]))
    difference, scale = calibrated_model.difference(path.outputs(result), expected.outputs)
    metrics["output_max_abs_diff"] = difference

    with reference(path.threads) as work:
        work()
        warm = warm_up(path.call, inputs, effort)
        before = machine.now()
        timing = measure(path.call, inputs, work, warm.windows[-1], effort)
        meanwhile = machine.between(before, machine.now())
    work_s = time.perf_counter() - begin
    threads_in_use = path.threads_in_use()
    path.close()

    flags = meanwhile.flags(path.threads)
    flags += calibrated_model.disagreement(difference, scale, path.arithmetic())
    flags += _flags(warm, timing)
    if threads_in_use not in (None, path.threads):
        flags.append(f"threads in use are not those asked for ({threads_in_use}, {path.threads})")
    return ProbeResult(
        metrics=metrics | summary(timing, path.setting.batch_size),
        samples={
            "latency_s": thinned(timing.calls, _MOST_SAMPLES),
            "reference_s": thinned(timing.reference_calls, _MOST_SAMPLES),
        },
        details={
            "flags": flags,
            "calls": len(timing.calls),
            "work_s": round(work_s, 3),
            "arithmetic": path.arithmetic(),
            "threads": path.threads,
            "threads_in_use": threads_in_use,
            "warm_up_windows_s": thinned(warm.windows, 50),
            "warm": warm.agreed,
            "output_scale": scale,
            "own_cores": _rounded(meanwhile.own_cores),
            "other_cores": _rounded(meanwhile.other_cores),
            "stolen_cores": _rounded(meanwhile.stolen_cores),
        },
    )


def summary(timing: Timing, batch_size: int) -> dict[str, float]:
    """The metrics of a round's calls; percentiles only with enough of them."""
    calls = timing.calls
    mean = float(np.mean(calls))
    percentiles = {
        f"latency_p{q}_s": value
        for q in (50, 90, 95, 99)
        if (value := percentile(calls, q)) is not None
    }
    return {
        "latency_location_s": location(calls),
        "latency_mean_s": mean,
        **percentiles,
        "throughput_per_s": batch_size / mean,
        "reference_s": location(timing.reference_calls),
    }


def thinned(seconds: Sequence[float], most: int) -> list[float]:
    """At most ``most`` of the values, evenly spread over the time, with four digits."""
    if len(seconds) > most:
        places = np.linspace(0, len(seconds) - 1, most).round().astype(int)
        seconds = [seconds[place] for place in places]
    return [float(f"{value:.4g}") for value in seconds]


def _flags(warm: WarmUp, timing: Timing) -> list[str]:
    found = []
    if not warm.agreed:
        found.append("never warm: successive windows differed to the end of the warm-up")
    drift = _drift(timing)
    if abs(drift) > _DRIFT:
        found.append(f"drifting: {drift:+.0%} from the first to the last third of the calls")
    return found


def _drift(timing: Timing) -> float:
    """How the blocks' ratio to the reference moved from the first to the last third."""
    ratios = [
        location(block) / location(beside)
        for block, beside in zip(timing.blocks, timing.references, strict=True)
    ]
    third = len(ratios) // 3
    first, last = ratios[:third], ratios[-third:] if third else []
    if not third or (min(last) <= max(first) and min(first) <= max(last)):
        return 0.0  # they overlap: scattered, not drifting
    return float(np.median(last) / np.median(first)) - 1


def _seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
