"""Rounds on another device: the files of ``prepare`` are sent, and outputs judged here."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cnnbench.errors import Unavailable
from cnnbench.models.handle import ModelInfo
from cnnbench.probes import artifacts
from cnnbench.probes.device import Device, DeviceAnswer, Files
from cnnbench.probes.interface import Context
from cnnbench.probes.latency import calibrated_model
from cnnbench.probes.latency.runtimes import RUNTIMES, RuntimeInfo
from cnnbench.probes.latency.settings import LatencySetting
from cnnbench.probes.latency.timed_round import TimingConfig

_AXES = ("runtime", "device", "batch_size", "threads", "dtype", "nms", "has_tail")
_NO_DURATIONS = ("clock_ns", "sleep")  # fields of the timing


def check(info: RuntimeInfo, setting: LatencySetting) -> None:
    """Check that a setting can be measured on another device.

    Raises:
        Unavailable: the runtime needs more there than itself, or the setting is not of the CPU.
    """
    if not info.there:
        usable = [name for name in RUNTIMES if RUNTIMES[name].there]
        raise Unavailable(
            f"{setting.runtime} is not measured on another device; {' and '.join(usable)} are"
        )
    if setting.device != "cpu":
        raise Unavailable("another device is measured on its CPU only")


def files_of(info: RuntimeInfo, setting: LatencySetting, folder: Path) -> dict[str, Path]:
    """Return the files of ``prepare`` and the expected outputs, by their names on the device.

    Raises:
        Unavailable: as `check`.
        JobFailed: one is missing.
    """
    check(info, setting)
    info.check_files(folder)
    found = {name: artifacts.existing(folder / name) for name in info.files}
    return {**found, calibrated_model.FILE: folder / calibrated_model.FILE}


def timed(
    model: ModelInfo,
    setting: LatencySetting,
    files: Files,
    context: Context,
    config: TimingConfig,
) -> DeviceAnswer:
    """Measure one round on the device of ``context``."""
    durations = {name: one for name, one in vars(config).items() if name not in _NO_DURATIONS}
    task = {
        **_task("time", model, setting),
        "config": durations,
        "fastest": dict(context.fastest),
    }
    return _device(context).do(task, files, context.report_progress)


def memory(
    model: ModelInfo, setting: LatencySetting, files: Files, context: Context
) -> DeviceAnswer:
    """Measure the memory that opening a file and calling it once takes on that device."""
    return _device(context).do(_task("memory", model, setting), files, context.report_progress)


class FileThere:
    """A converted file on a device: images -> its outputs, computed there.

    Args:
        model, setting: as in `timed`.
        files: those that the runtime opens.
        context: of the job; it has a device.

    Attributes:
        environment: of the device, once it has answered.
    """

    def __init__(
        self,
        model: ModelInfo,
        setting: LatencySetting,
        files: Files,
        context: Context,
    ) -> None:
        self._files, self._context = files, context
        self._task = _task("outputs", model, setting)
        self.environment: Mapping[str, Any] = {}

    def __call__(self, images: np.ndarray) -> Sequence[np.ndarray]:
        """Return the outputs, ``(n, ...)`` each, for float32 ``images``, ``(n, h, w, c)``."""
        pixels = np.ascontiguousarray(images, np.float32)
        files = {**self._files, "images.npy": _npy(pixels)}
        answer = _device(self._context).do(self._task, files, self._context.report_progress)
        self.environment = answer.environment
        return answer.arrays


def _device(context: Context) -> Device:
    if context.device is None:
        raise ValueError("the job has no device")
    return context.device


def _task(what: str, model: ModelInfo, setting: LatencySetting) -> dict[str, Any]:
    return {
        "do": what,
        "setting": {name: getattr(setting, name) for name in _AXES},
        "model": model.label,
        "input_shape": list(model.input_shape),
    }


def _npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()
