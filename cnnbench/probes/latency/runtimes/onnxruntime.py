"""``onnxruntime``: the frozen graph as ONNX in ONNX Runtime's CPU provider, float32.

``convert_s`` freezes the graph and translates it with tf2onnx; ``load_s`` opens the session, in
which ONNX Runtime optimises the graph; there is no compile step of its own. Arrays go in and out.
"""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

from cnnbench.errors import JobFailed, brief, is_out_of_memory
from cnnbench.probes.latency.runtimes import saved_graph
from cnnbench.probes.latency.runtimes.runtime import (
    RuntimeBase,
    RuntimeInfo,
    check_order,
    thread_counter,
)

_FILE = "model.onnx"
_OPSET = 18
_CATCH_ERRORS = "TF2ONNX_CATCH_ERRORS"


class OnnxRuntime(RuntimeBase):
    """``session.run(outputs, {input: images})``."""

    def prepare(self, keras_model: Any) -> dict[str, float]:
        import tf2onnx  # noqa: F401 - importing it is not part of the work

        begin = time.perf_counter()
        frozen = saved_graph.frozen(keras_model, self.shape)
        # By default the model with its weights is copied before each of some forty passes over its
        # graph, in case one fails, which takes most of the time of a conversion.
        os.environ[_CATCH_ERRORS] = "FALSE"
        try:
            outputs = self._convert(frozen)
        except Exception as error:  # a pass may raise anything
            if is_out_of_memory(error):
                raise
            del os.environ[_CATCH_ERRORS]
            outputs = self._convert(frozen)
        convert_s = time.perf_counter() - begin
        check_order(outputs, [tensor.name for tensor in frozen.outputs])
        return {"convert_s": convert_s}

    def _convert(self, frozen: Any) -> list[str]:
        """Write the ONNX file; return the names of its outputs."""
        import tf2onnx

        # Keras' own export fails for networks that hold constants (EfficientNet's normalisation).
        made, _ = tf2onnx.convert.from_graph_def(
            frozen.graph.as_graph_def(),
            input_names=[tensor.name for tensor in frozen.inputs],
            output_names=[tensor.name for tensor in frozen.outputs],
            opset=_OPSET,
            output_path=str(self.folder / _FILE),
        )
        return [output.name for output in made.graph.output]

    def load(self) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        count_threads = thread_counter()
        try:
            self._session = onnxruntime.InferenceSession(
                str(self.folder / _FILE), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's own errors share no base
            if is_out_of_memory(error):
                raise
            message = f"ONNX Runtime rejects the converted model: {brief(error)}"
            raise JobFailed(message) from error
        self._threads_in_use = count_threads()
        self._input = self._session.get_inputs()[0].name
        self._outputs = [output.name for output in self._session.get_outputs()]

    def call(self, fed: np.ndarray) -> list[np.ndarray]:
        outputs: list[np.ndarray] = self._session.run(self._outputs, {self._input: fed})
        return outputs

    def threads_in_use(self) -> int | None:
        """Return the number of threads: the caller and those that the session started."""
        return self._threads_in_use


ONNXRUNTIME = RuntimeInfo(
    create=OnnxRuntime,
    packages=("onnxruntime", "tf2onnx"),
    install='pip install "cnnbench[onnx]"',
    files=(_FILE,),
)
