"""``litert``: the TFLite flatbuffer in LiteRT's interpreter, with XNNPACK, on the CPU.

``convert_s`` makes the flatbuffer; ``load_s`` opens it (XNNPACK takes its part of the graph);
``compile_s`` allocates the tensors. A call copies the input in and the output out.
"""

from __future__ import annotations

import gzip
import time
from pathlib import Path
from typing import Any

import numpy as np

from cnnbench.probes.latency.runtimes import saved_graph
from cnnbench.probes.latency.runtimes.base import CallPath, threads_of_process


class Runtime(CallPath):
    """``set_tensor``, ``invoke``, ``get_tensor``."""

    packages = ("ai-edge-litert",)

    @property
    def _file(self) -> Path:
        return self.folder / "model.tflite"

    def prepare(self, model: Any) -> dict[str, float]:
        begin = time.perf_counter()
        flatbuffer = converter(model, self.shape).convert()
        convert_s = time.perf_counter() - begin
        self._file.write_bytes(flatbuffer)
        return {
            "convert_s": convert_s,
            "file_bytes": len(flatbuffer),
            "file_gzip_bytes": len(gzip.compress(flatbuffer, compresslevel=6)),
        }

    def load(self) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._others = threads_of_process() or 0
        self._interpreter = Interpreter(model_path=str(self._file), num_threads=self.threads)

    def compile(self, images: np.ndarray) -> None:
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        now = threads_of_process()
        self._threads_in_use = None if now is None else now - self._others + 1
        self._outputs = [detail["index"] for detail in self._interpreter.get_output_details()]

    def call(self, fed: np.ndarray) -> list[np.ndarray]:
        self._interpreter.set_tensor(self._input, fed)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index) for index in self._outputs]

    def threads_in_use(self) -> int | None:
        """The calling thread and those that came with the interpreter, which does not tell."""
        return self._threads_in_use

    def close(self) -> None:
        del self._interpreter


def converter(model: Any, shape: tuple[int, ...]) -> Any:
    """TensorFlow's own, of ``model`` for inputs of ``shape`` (with the batch axis)."""
    import tensorflow as tf

    concrete = saved_graph.trace(model, shape)
    found = tf.lite.TFLiteConverter.from_concrete_functions([concrete], model)
    # By way of a SavedModel it takes four times as long, most of it in walking Keras' objects,
    # and the weights were missing from the flatbuffer (MobileNetV2: 0.19 MB instead of 14).
    found.experimental_lower_to_saved_model = False
    return found
