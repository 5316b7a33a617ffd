"""``graph``: the Keras model wrapped in ``tf.function``, as TensorFlow users run a network.

``convert_s`` is the tracing; ``load_s`` reads the graph and the weights; ``compile_s`` makes the
function; the optimisation of the graph falls into ``first_call_s``. Inputs lie on the device
already; outputs are brought to the host.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from cnnbench.core.settings.latency import LatencySetting
from cnnbench.core.subject import Subject
from cnnbench.probes.runtimes import saved_graph
from cnnbench.probes.runtimes.base import CallPath
from cnnbench.probes.runtimes.tensorflow_device import Device, device_of


class Runtime(CallPath):
    """``tf.function(model)(tensor)``."""

    dtypes = ("float32", "bfloat16", "float16")
    devices = ("cpu", "gpu")
    jit_compile: ClassVar[bool] = False

    def __init__(
        self,
        subject: Subject,
        setting: LatencySetting,
        folder: Path,
        device: Device | None = None,
    ) -> None:
        super().__init__(subject, setting, folder)
        self._device = device or device_of(setting.device, self.threads)

    def prepare(self, model: Any) -> dict[str, float]:
        begin = time.perf_counter()
        concrete = saved_graph.trace(model, self.shape)
        convert_s = time.perf_counter() - begin
        saved_graph.save(concrete, self.folder)
        return {"convert_s": convert_s}

    def start(self) -> None:
        self._device.start()

    def load(self) -> None:
        with self._device.scope():
            self._python_function = saved_graph.load(self.folder)

    def compile(self, images: np.ndarray) -> None:
        import tensorflow as tf

        self._function = tf.function(
            self._python_function, autograph=False, jit_compile=self.jit_compile
        )
        with self._device.scope():
            self._function.get_concrete_function(tf.TensorSpec(images.shape, images.dtype))

    def feed(self, images: np.ndarray) -> Any:
        return self._device.put(images)

    def call(self, fed: Any) -> list[np.ndarray]:
        return [tensor.numpy() for tensor in self._function(fed)]

    def threads_in_use(self) -> int:
        return self._device.threads_in_use()
