"""The ``latency`` probe: one model in one runtime, timed in a fresh process.

``prepare`` converts the model once for all rounds; a round loads, compiles, compares the outputs
with Keras', warms up, and times calls in blocks while the reference says that the machine is quiet.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from cnnbench.models.handle import ModelHandle
from cnnbench.plugins import Registry
from cnnbench.probes.interface import Context, ProbeResult
from cnnbench.probes.latency import calibrated_model, inside
from cnnbench.probes.latency.reference import WORKLOADS
from cnnbench.probes.latency.runtimes import RUNTIMES, Runtime, RuntimeInfo
from cnnbench.probes.latency.runtimes.tensorflow_device import keep_float32_exact, show_gpu
from cnnbench.probes.latency.settings import LatencySetting
from cnnbench.probes.latency.timed_round import (
    Timing,
    TimingConfig,
    WarmUp,
    fastest_decile_mean,
)
from cnnbench.probes.latency.timing import observe
from cnnbench.probes.memory import peak
from cnnbench.statistics.percentiles import percentile
from cnnbench.text import plural

TIMING = TimingConfig()

# Thinned evenly: a record stays below some 20 kB, and a table pools those of all rounds.
_MOST_SAMPLES = 1000
# Relative change of the location ÷ reference, from the first to the last third of the blocks.
_DRIFT = 0.10


def prepare(
    model: ModelHandle,
    setting: LatencySetting,
    context: Context,
    runtimes: Registry[RuntimeInfo] = RUNTIMES,
) -> ProbeResult:
    """Make the weights, the expected outputs and the files that the runtime opens.

    Args:
        model: model to measure.
        setting: setting of the cell.
        context: files are written to its ``artifacts``, and shared weights to the parent folder.
        runtimes: registry of the runtimes.

    Raises:
        Unavailable: the runtime, the device or the precision is not available here.
        JobFailed: the model's output is constant, so that nothing can be compared.
    """
    info = runtimes.find(setting.runtime)
    runtime = _create(info, model, setting, context.artifacts)
    show_gpu(setting.device == "gpu")
    if setting.device == "gpu":
        keep_float32_exact()
    if calibrated_model.is_large(model):
        # Else the converter lacks the memory of the eager calls: 9 GB for EfficientNetB7.
        peak.without_tensorflow_pool()
        peak.return_freed_memory()
    import keras  # noqa: F401 - importing it is not part of the work

    begin = time.perf_counter()
    context.report_progress("building")
    keras_model = calibrated_model.build(model, shared=context.artifacts.parent)
    context.report_progress("computing reference outputs")
    whole = inside.finished(model, keras_model, setting)
    calibrated_model.write_expected(model, whole, setting.batch_size, context.artifacts)
    context.report_progress("converting")
    if not info.lowers_precision:
        keras_model = calibrated_model.in_precision(model, keras_model, setting.dtype)
    with inside.refusing(setting):
        metrics = runtime.prepare(inside.finished(model, keras_model, setting))
    return ProbeResult(metrics, details={"work_s": round(time.perf_counter() - begin, 3)})


def run(
    model: ModelHandle,
    setting: LatencySetting,
    context: Context,
    runtimes: Registry[RuntimeInfo] = RUNTIMES,
    timing: TimingConfig = TIMING,
) -> ProbeResult:
    """Measure one round: open, compare, warm up, time, close.

    Args:
        model, setting, context, runtimes: as in `prepare`.
        timing: duration of the measurement.

    Raises:
        Unavailable: as `prepare`.
        JobFailed: a file of `prepare` is missing.
    """
    info = runtimes.find(setting.runtime)
    runtime = _create(info, model, setting, context.artifacts)
    info.check_files(context.artifacts)
    workload = info.reference if setting.device == "cpu" else None
    found = measured(
        runtime,
        context.artifacts,
        workload,
        timing,
        context.fastest,
        inside.difference(model, setting),
    )
    found.details["flags"] += inside.doubts(model, setting)
    return found


def _create(
    info: RuntimeInfo, model: ModelHandle, setting: LatencySetting, folder: Path
) -> Runtime:
    info.check(setting)
    runtime = info.create(model, setting, folder)
    runtime.check()
    return runtime


def measured(
    runtime: Runtime,
    folder: Path,
    workload: str | None,
    config: TimingConfig = TIMING,
    fastest: Mapping[str, float] = MappingProxyType({}),
    compare: inside.Difference = calibrated_model.difference,
) -> ProbeResult:
    """Measure a runtime that is not loaded yet.

    Args:
        runtime: the runtime.
        folder: holds the expected outputs.
        workload: of the reference, by which its times are divided; None for none.
        config: duration of the measurement.
        fastest: readings of the reference in earlier jobs, as in `Context`.
        compare: returns the difference of outputs from the expected ones, and its scale.
    """
    expected = calibrated_model.read_expected(folder)
    metrics: dict[str, float] = {}
    begin = time.perf_counter()
    runtime.start()
    with inside.refusing(runtime.setting):
        metrics["load_s"], _ = _seconds(runtime.load)
        metrics["compile_s"], _ = _seconds(lambda: runtime.compile(expected.inputs[0]))
        inputs = [runtime.feed(images) for images in expected.inputs]
        metrics["first_call_s"], result = _seconds(lambda: runtime.call(inputs[0]))
    difference, scale = compare(runtime.outputs(result), expected.outputs)
    metrics["output_max_abs_diff"] = difference

    batch_size = runtime.setting.batch_size
    found = timed(runtime.call, inputs, runtime.threads, workload, config, fastest, batch_size)
    work_s = time.perf_counter() - begin
    threads_in_use = runtime.threads_in_use()
    runtime.close()

    flags = calibrated_model.disagreement(difference, scale, runtime.tolerance())
    flags += found.details["flags"]
    if threads_in_use not in (None, runtime.threads):
        flags.append(
            f"the runtime uses {plural(threads_in_use, 'thread')} instead of {runtime.threads}"
        )
    found.details["flags"] = flags
    return ProbeResult(
        metrics=metrics | found.metrics,
        samples=found.samples,
        details=found.details
        | {
            "work_s": round(work_s, 3),
            "arithmetic": runtime.arithmetic(),
            "threads": runtime.threads,
            "threads_in_use": threads_in_use,
            "output_scale": scale,
        },
    )


def timed(
    call: Callable[[Any], Any],
    inputs: Sequence[Any],
    threads: int,
    workload: str | None,
    config: TimingConfig = TIMING,
    fastest: Mapping[str, float] = MappingProxyType({}),
    batch_size: int = 1,
) -> ProbeResult:
    """Time calls while the machine is quiet.

    Args:
        call: takes one of ``inputs``; its result is in the host's memory when it returns.
        inputs: used in turn.
        threads: that a call computes on.
        workload, config, fastest: as in `measured`.
        batch_size: images of a call.
    """
    names = {f"{workload}/t{threads}": workload for workload in WORKLOADS}
    known = {names[name]: seconds for name, seconds in fastest.items() if name in names}
    warm, timing = observe(call, inputs, threads, config, known)
    usage = timing.usage()
    return ProbeResult(
        metrics=summary(timing, batch_size, workload),
        samples={"latency_s": thinned(timing.calls, _MOST_SAMPLES)},
        details={
            "flags": usage.flags(threads) + _flags(warm, timing, workload),
            "disturbances": usage.disturbances(),
            "calls": len(timing.calls),
            "is_disturbed": timing.is_disturbed,
            "blocks": len(timing.blocks),
            "blocks_left_out": len(timing.blocks) - len(timing.counted),
            "reference_s": {name: timing.reference_s(name) for name in WORKLOADS},
            "fastest": {name: timing.fastest[workload] for name, workload in names.items()},
            "warm_up_windows_s": thinned(warm.windows, 50),
            "warm": warm.agreed,
            "own_cores": _rounded(usage.own_cores),
            "other_cores": _rounded(usage.other_cores),
            "stolen_cores": _rounded(usage.stolen_cores),
        },
    )


def summary(timing: Timing, batch_size: int, workload: str | None) -> dict[str, float]:
    """Return the metrics of a round's calls, percentiles only with enough calls."""
    calls = timing.calls
    mean = float(np.mean(calls))
    percentiles = {
        f"latency_p{q}_s": value
        for q in (50, 90, 95, 99)
        if (value := percentile(calls, q)) is not None
    }
    return {
        "latency_location_s": fastest_decile_mean(calls),
        "latency_mean_s": mean,
        **percentiles,
        "throughput_per_s": batch_size / mean,
        "waited_s": timing.waited_s,
        "left_out_s": timing.left_out_s,
        **({"reference_s": timing.reference_s(workload)} if workload else {}),
    }


def thinned(seconds: Sequence[float], most: int) -> list[float]:
    """Return at most ``most`` of the values, evenly spread over time, with four digits."""
    if len(seconds) > most:
        positions = np.linspace(0, len(seconds) - 1, most).round().astype(int)
        seconds = [seconds[position] for position in positions]
    return [float(f"{value:.4g}") for value in seconds]


def _flags(warm: WarmUp, timing: Timing, workload: str | None) -> list[str]:
    found = []
    if not warm.agreed:
        found.append("not warmed up: successive windows differed until the warm-up ended")
    drift = _drift(timing, workload)
    if abs(drift) > _DRIFT:
        found.append(f"drifting: {drift:+.0%} from the first to the last third of the calls")
    return found


def _drift(timing: Timing, workload: str | None) -> float:
    """Return the change of the location ÷ reference, first to last third of the counted blocks."""
    locations = [
        fastest_decile_mean(block.calls) / (block.reference_s(workload) if workload else 1)
        for block in timing.counted
    ]
    third = len(locations) // 3
    first, last = locations[:third], locations[-third:] if third else []
    if not third or (min(last) <= max(first) and min(first) <= max(last)):
        return 0.0  # they overlap: scattered, not drifting
    return float(np.median(last) / np.median(first)) - 1


def _seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
