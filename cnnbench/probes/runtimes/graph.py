"""``graph``: the Keras model wrapped in ``tf.function``, as TensorFlow users run a network.

``convert_s`` is the tracing; ``load_s`` reads the graph and the weights; ``compile_s`` makes the
function; the optimisation of the graph falls into ``first_call_s``.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from cnnbench.core.settings.latency import LatencySetting
from cnnbench.probes.runtimes import saved_graph, tensorflow_device
from cnnbench.probes.runtimes.base import CallPath, require_gpu


class Runtime(CallPath):
    """``tf.function(model)(tensor)``; the result is brought to the host."""

    jit_compile = False

    def __init__(self, setting: LatencySetting, folder: Path) -> None:
        super().__init__(setting, folder)
        tensorflow_device.set_threads(self.threads)

    @classmethod
    def check(cls, setting: LatencySetting) -> None:
        if setting.device == "gpu":
            require_gpu()
        super().check(setting.model_copy(update={"device": "cpu"}))

    def prepare(self, model: Any, shape: tuple[int, ...]) -> dict[str, float]:
        begin = time.perf_counter()
        concrete = saved_graph.trace(model, shape)
        convert_s = time.perf_counter() - begin
        saved_graph.save(concrete, self.folder)
        return {"convert_s": convert_s}

    def load(self) -> None:
        self._python_function = saved_graph.load(self.folder)

    def compile(self, images: np.ndarray) -> None:
        import tensorflow as tf

        self._function = tf.function(
            self._python_function, autograph=False, jit_compile=self.jit_compile
        )
        self._function.get_concrete_function(tf.TensorSpec(images.shape, images.dtype))

    def feed(self, images: np.ndarray) -> Any:
        import tensorflow as tf

        return tf.constant(images)

    def call(self, fed: Any) -> list[np.ndarray]:
        return [tensor.numpy() for tensor in self._function(fed)]

    def threads_in_use(self) -> int:
        return tensorflow_device.threads_in_use()
