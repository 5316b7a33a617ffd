"""The ``latency`` probe: one model in one runtime, timed in a fresh process.

``prepare`` converts the model once for all rounds; a round loads, compiles, compares the outputs
with Keras', warms up, and times calls in blocks while the reference says that the machine is quiet.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cnnbench.models.handle import ModelHandle, ModelInfo
from cnnbench.plugins import Registry
from cnnbench.probes.interface import Context, ProbeResult
from cnnbench.probes.latency import calibrated_model, inside, on_device
from cnnbench.probes.latency.observation import Observation, observed
from cnnbench.probes.latency.runtimes import RUNTIMES, Runtime, RuntimeInfo
from cnnbench.probes.latency.runtimes.base import RuntimeBase
from cnnbench.probes.latency.runtimes.tensorflow_device import keep_float32_exact, show_gpu
from cnnbench.probes.latency.settings import LatencySetting
from cnnbench.probes.latency.timed_calls import TIMING
from cnnbench.probes.latency.timed_round import TimingConfig
from cnnbench.probes.memory import peak

# On a device, which has no other probe of memory: it varies little from process to process.
_MEMORY_ROUNDS = 3


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
    if context.device is not None:
        on_device.check(info, setting)
    runtime = create(info, model, setting, context.artifacts)
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
    if isinstance(runtime, RuntimeBase):
        runtime.has_random_weights = not model.is_trained
    with inside.refusing(setting):
        metrics = runtime.prepare(inside.finished(model, keras_model, setting))
        ran = runtime.executed()
    details: dict[str, Any] = {"work_s": round(time.perf_counter() - begin, 3)}
    if ran is not None:
        metrics, details = metrics | ran.metrics(), details | ran.details()
    return ProbeResult(metrics, details=details)


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
    compare = inside.difference(model, setting)
    if context.device is not None:
        files = on_device.files_of(info, setting, context.artifacts)
        found = measured_there(context, model, setting, files, compare, timing)
        if context.repeat < _MEMORY_ROUNDS:
            found.metrics |= on_device.memory(model, setting, files, context).metrics
    else:
        runtime = create(info, model, setting, context.artifacts)
        info.check_files(context.artifacts)
        workload = info.reference if setting.device == "cpu" else None
        found = measured(runtime, context.artifacts, workload, timing, context.fastest, compare)
    found.details["flags"] += inside.doubts(model, setting)
    return found


def create(info: RuntimeInfo, model: ModelHandle, setting: LatencySetting, folder: Path) -> Runtime:
    """Return a runtime that is not loaded yet.

    Raises:
        Unavailable: this machine, or the runtime, cannot run the setting or the model.
    """
    info.check(setting)
    info.check_model(model, setting.batch_size)
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
    opening = inside.refusing(runtime.setting)
    found = observed(runtime, expected.inputs, workload, config, fastest, opening)
    return _judged(found, expected, compare)


def measured_there(
    context: Context,
    model: ModelInfo,
    setting: LatencySetting,
    files: Mapping[str, Path],
    compare: inside.Difference = calibrated_model.difference,
    config: TimingConfig = TIMING,
) -> ProbeResult:
    """Measure a round on the device of ``context``.

    Args:
        context: of the job; it has a device.
        model, setting: as the ``latency`` probe has them.
        files: those that the runtime opens, and the expected outputs, by their names there.
        compare, config: as in `measured`.
    """
    answer = on_device.timed(model, setting, files, context, config)
    expected = calibrated_model.read_expected(files[calibrated_model.FILE].parent)
    result = ProbeResult(answer.metrics, answer.samples, answer.details, answer.environment)
    return _judged(Observation(result, answer.arrays, answer.tolerance), expected, compare)


def _judged(
    found: Observation, expected: calibrated_model.Expected, compare: inside.Difference
) -> ProbeResult:
    """Return what was observed, with the difference of the outputs from the expected ones."""
    difference, scale = compare(found.outputs, expected.outputs)
    result = found.result
    flags = calibrated_model.disagreement(difference, scale, found.tolerance)
    return replace(
        result,
        metrics={**result.metrics, "output_max_abs_diff": difference},
        details={
            **result.details,
            "flags": flags + result.details["flags"],
            "output_scale": scale,
        },
    )
