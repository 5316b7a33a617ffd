"""The ``compression`` probe: quantisation, pruning and clustering of a trained model.

It has these parts, each in processes of its own: ``train`` makes the float32 model, ``convert``
makes and converts a variant, analyses the file and evaluates it on the test images, ``memory`` and
``latency`` measure that file. ``finish`` makes the file that is exported from it. A part finds the
results of earlier ones in the run's artifacts.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cnnbench.models.handle import ModelHandle
from cnnbench.probes.compression import conversion, finishing, paths, training
from cnnbench.probes.compression.settings import CompressionSetting
from cnnbench.probes.interface import Context, ProbeResult
from cnnbench.probes.latency import calibrated_model, on_device
from cnnbench.probes.latency import run as timed
from cnnbench.probes.latency.runtimes.litert import LITERT, LiteRT
from cnnbench.probes.memory import peak


def run(handle: ModelHandle, setting: CompressionSetting, context: Context) -> ProbeResult:
    """Run the part of the probe that ``setting`` names.

    Raises:
        Unavailable: data, weights or the result of an earlier part are missing, or the toolkit does
            not support the model.
        JobFailed: the training diverged, there are too few images, or the conversion failed.
    """
    parts = {
        "train": training.run,
        "convert": conversion.run,
        "memory": _memory,
        "latency": _latency,
        "finish": finishing.run,
    }
    return parts[setting.part](handle, setting, context)


def _latency(handle: ModelHandle, setting: CompressionSetting, context: Context) -> ProbeResult:
    """Time one round of the variant's file, as the ``latency`` probe does.

    Raises:
        Unavailable: the file does not exist.
    """
    folder, timed_as = _folder(handle, setting, context), setting.latency()
    if context.device is not None:
        files = on_device.files_of(LITERT, timed_as, folder)
        result = timed.measured_there(context, handle, timed_as, files)
    else:
        runtime = LiteRT(handle, timed_as, folder)
        result = timed.measured(runtime, folder, LITERT.reference, fastest=context.fastest)
    # Compared with the file's outputs in the process that made it: a check, not a metric.
    result.details["answers_differ_by"] = result.metrics.pop("output_max_abs_diff")
    return result


def _memory(handle: ModelHandle, setting: CompressionSetting, context: Context) -> ProbeResult:
    """Measure the memory needed to open the file and run it once.

    This includes weights, packed weights and activations; the ``memory`` probe measures a model
    that is already loaded.

    Raises:
        Unavailable: the file does not exist, or this system has no high-water mark.
    """
    folder = _folder(handle, setting, context)
    if context.device is not None:
        files = on_device.files_of(LITERT, setting.latency(), folder)
        found = on_device.memory(handle, setting.latency(), files, context)
        return ProbeResult(found.metrics, details=found.details, environment=found.environment)
    peak.without_tensorflow_pool()
    peak.return_freed_memory()
    import ai_edge_litert.interpreter  # noqa: F401 - its code does not count

    image = np.array(calibrated_model.read_expected(folder).inputs[0])
    needed = peak.of_opening(LiteRT(handle, setting.latency(), folder), image)
    return ProbeResult(
        metrics={"memory_infer_peak_bytes": needed.bytes}, details={"before_bytes": needed.before}
    )


def _folder(handle: ModelHandle, setting: CompressionSetting, context: Context) -> Path:
    folder = paths.variant_folder(handle, setting, context)
    paths.required(folder, paths.MODEL, "not converted")
    return folder
