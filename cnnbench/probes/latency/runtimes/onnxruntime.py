"""``onnxruntime``: the frozen graph as ONNX in ONNX Runtime's CPU provider, float32.

``convert_s`` freezes the graph and translates it with tf2onnx; ``load_s`` opens the session, in
which ONNX Runtime optimises the graph; there is no compile step of its own. Arrays go in and out.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from cnnbench.errors import JobFailed, brief, is_out_of_memory
from cnnbench.probes.latency.runtimes import saved_graph
from cnnbench.probes.latency.runtimes.base import CallPath, threads_of_process

_OPSET = 18
_CATCH_ERRORS = "TF2ONNX_CATCH_ERRORS"


class Runtime(CallPath):
    """``session.run(None, {input: images})``."""

    packages = ("onnxruntime", "tf2onnx")
    extra = "onnx"

    @property
    def _file(self) -> Path:
        return self.folder / "model.onnx"

    def prepare(self, model: Any) -> dict[str, float]:
        import tf2onnx  # noqa: F401 - not part of the work

        begin = time.perf_counter()
        frozen = saved_graph.frozen(model, self.shape)
        # Else the network is copied, weights and all, before each of some forty passes over its
        # graph, in case one fails: most of the time of a conversion.
        os.environ[_CATCH_ERRORS] = "FALSE"
        try:
            self._convert(frozen)
        except Exception as error:  # a pass may raise anything
            if is_out_of_memory(error):
                raise
            del os.environ[_CATCH_ERRORS]
            self._convert(frozen)
        return {"convert_s": time.perf_counter() - begin}

    def _convert(self, frozen: Any) -> None:
        import tf2onnx

        # Keras' own export fails for networks that hold constants (EfficientNet's normalisation).
        tf2onnx.convert.from_graph_def(
            frozen.graph.as_graph_def(),
            input_names=[tensor.name for tensor in frozen.inputs],
            output_names=[tensor.name for tensor in frozen.outputs],
            opset=_OPSET,
            output_path=str(self._file),
        )

    def load(self) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        others = threads_of_process()
        try:
            self._session = onnxruntime.InferenceSession(
                str(self._file), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's own errors share no base
            if is_out_of_memory(error):
                raise
            words = f"ONNX Runtime refuses the converted network: {brief(error)}"
            raise JobFailed(words) from error
        now = threads_of_process()
        self._threads_in_use = None if others is None or now is None else now - others + 1
        self._input = self._session.get_inputs()[0].name

    def compile(self, images: np.ndarray) -> None:
        """Nothing is left to compile."""

    def call(self, fed: np.ndarray) -> list[np.ndarray]:
        outputs: list[np.ndarray] = self._session.run(None, {self._input: fed})
        return outputs

    def threads_in_use(self) -> int | None:
        """The calling thread and those of the session's pool; it only repeats what it was told."""
        return self._threads_in_use
