"""``graph``: the Keras model wrapped in ``tf.function``, as TensorFlow users run a network.

``convert_s`` is the tracing; ``load_s`` reads the graph and the weights; ``compile_s`` makes the
function; the optimisation of the graph falls into ``first_call_s``. Inputs lie on the device
already; outputs are brought to the host.
"""

from __future__ import annotations

import time
from typing import Any, ClassVar

import numpy as np

from cnnbench.probes.latency.runtimes import saved_graph
from cnnbench.probes.latency.runtimes.tensorflow_path import TensorFlowPath


class Runtime(TensorFlowPath):
    """``tf.function(model)(tensor)``."""

    jit_compile: ClassVar[bool] = False

    def prepare(self, model: Any) -> dict[str, float]:
        begin = time.perf_counter()
        concrete = saved_graph.trace(model, self.shape)
        convert_s = time.perf_counter() - begin
        saved_graph.save(concrete, self.folder)
        return {"convert_s": convert_s}

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

    def call(self, fed: Any) -> list[np.ndarray]:
        return [tensor.numpy() for tensor in self._function(fed)]
