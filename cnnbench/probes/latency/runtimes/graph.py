"""``graph`` and ``xla``: a Keras model wrapped in ``tf.function``.

``convert_s`` is the tracing; ``load_s`` reads the graph and the weights; ``compile_s`` makes the
function; TensorFlow optimises the graph in ``first_call_s``. Inputs are on the device already;
outputs are copied to the host. For ``xla``, ``tf.function(model, jit_compile=True)``,
``compile_s`` includes a call in which XLA compiles the whole model, and ``first_call_s`` is the
call after it.
"""

from __future__ import annotations

import time
from typing import Any, ClassVar

import numpy as np

from cnnbench.probes.latency.runtimes import saved_graph
from cnnbench.probes.latency.runtimes.runtime import Steps
from cnnbench.probes.latency.runtimes.tensorflow_device import TensorFlowRuntime, tensorflow_info


class Graph(TensorFlowRuntime):
    """``tf.function(model)(tensor)``."""

    jit_compile: ClassVar[bool] = False

    def prepare(self, keras_model: Any) -> dict[str, float]:
        begin = time.perf_counter()
        concrete = saved_graph.trace(keras_model, self.shape)
        convert_s = time.perf_counter() - begin
        saved_graph.save(concrete, self.folder)
        return {"convert_s": convert_s}

    def load(self) -> None:
        with self.scope():
            self._python_function = saved_graph.load(self.folder)

    def compile(self, images: np.ndarray) -> None:
        import tensorflow as tf

        self._function = tf.function(
            self._python_function, autograph=False, jit_compile=self.jit_compile
        )
        with self.scope():
            self._function.get_concrete_function(tf.TensorSpec(images.shape, images.dtype))

    def call(self, fed: Any) -> list[np.ndarray]:
        return self._on_host(self._function(fed))

    def steps(self) -> Steps:
        return Steps(copy_in=self.feed, compute=self._computed, copy_out=self._on_host)

    def _computed(self, fed: Any) -> Any:
        result = self._function(fed)
        self.synchronise()
        return result

    @staticmethod
    def _on_host(result: Any) -> list[np.ndarray]:
        return [tensor.numpy() for tensor in result]


class Xla(Graph):
    """The traced model, compiled by XLA as one kernel."""

    jit_compile = True

    def compile(self, images: np.ndarray) -> None:
        super().compile(images)
        self.call(self.feed(images))


GRAPH = tensorflow_info(Graph, saved_graph.FILES, copies_apart=True)
XLA = tensorflow_info(Xla, saved_graph.FILES, copies_apart=True)
