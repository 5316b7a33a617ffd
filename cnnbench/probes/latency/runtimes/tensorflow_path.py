"""What the call paths through TensorFlow itself share: the device that they compute on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cnnbench.models.handle import ModelHandle
from cnnbench.probes.latency.runtimes.base import CallPath
from cnnbench.probes.latency.runtimes.tensorflow_device import Device, device_of
from cnnbench.probes.latency.settings import LatencySetting


class TensorFlowPath(CallPath):
    """Inputs lie on the device before a call; outputs are on the host after it."""

    packages = ("tensorflow", "keras")
    dtypes = ("float32", "bfloat16", "float16")
    devices = ("cpu", "gpu")

    def __init__(
        self,
        subject: ModelHandle,
        setting: LatencySetting,
        folder: Path,
        device: Device | None = None,
    ) -> None:
        super().__init__(subject, setting, folder)
        self._device = device or device_of(setting.device, self.threads)

    def start(self) -> None:
        self._device.start()

    def feed(self, images: np.ndarray) -> Any:
        return self._device.put(images)

    def arithmetic(self) -> str:
        is_float32 = self.setting.dtype == "float32"
        return (
            "tensorfloat32"
            if is_float32 and self._device.rounds_float32()
            else super().arithmetic()
        )

    def threads_in_use(self) -> int:
        return self._device.threads_in_use()
