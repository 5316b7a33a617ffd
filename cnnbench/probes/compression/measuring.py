"""Parts ``memory`` and ``latency``: the converted file, opened and run in a fresh process."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cnnbench.models.handle import ModelHandle
from cnnbench.probes.compression import paths
from cnnbench.probes.compression.settings import CompressionSetting
from cnnbench.probes.interface import Context, ProbeResult
from cnnbench.probes.latency import calibrated_model
from cnnbench.probes.latency import run as timed
from cnnbench.probes.latency.runtimes.litert import LiteRT
from cnnbench.probes.memory import peak


def latency(subject: ModelHandle, setting: CompressionSetting, context: Context) -> ProbeResult:
    """One round of the ``latency`` probe's own loop, on the variant's file.

    Raises:
        Unavailable: there is no such file.
    """
    folder = _folder(subject, setting, context)
    path = LiteRT(subject, setting.latency(), folder)
    finding = timed.measured(path, folder)
    # Against the file's own answers in the process that made it: a check, not a property.
    finding.details["answers_differ_by"] = finding.metrics.pop("output_max_abs_diff")
    return finding


def memory(subject: ModelHandle, setting: CompressionSetting, context: Context) -> ProbeResult:
    """What opening the file and its first answer need on top of this process.

    Weights, packed weights and activations are all in it, unlike in the ``memory`` probe, whose
    network is there already.

    Raises:
        Unavailable: there is no such file, or no high-water mark on this system.
    """
    peak.without_tensorflow_pool()
    peak.return_freed_memory()
    import ai_edge_litert.interpreter  # noqa: F401 - its own code is not the network's

    folder = _folder(subject, setting, context)
    path = LiteRT(subject, setting.latency(), folder)
    image = np.array(calibrated_model.read_expected(folder).inputs[0])

    def first_answer() -> None:
        path.load()
        path.compile(image)
        path.call(path.feed(image))

    found = peak.of_process(first_answer)
    return ProbeResult(
        metrics={"memory_infer_peak_bytes": found.bytes}, details={"before_bytes": found.before}
    )


def _folder(subject: ModelHandle, setting: CompressionSetting, context: Context) -> Path:
    folder = paths.converted(subject, setting, context)
    paths.required(folder, paths.MODEL, "not converted")
    return folder
