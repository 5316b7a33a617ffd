"""``onnxruntime``: the frozen graph as ONNX in ONNX Runtime's CPU provider, float32.

``convert_s`` freezes the graph and translates it with tf2onnx; ``load_s`` opens the session, in
which ONNX Runtime optimises the graph; there is no compile step of its own. Arrays go in and out.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from cnnbench.core.errors import JobFailed, is_out_of_memory
from cnnbench.probes.runtimes import saved_graph
from cnnbench.probes.runtimes.base import CallPath, threads_of_process

_OPSET = 18


class Runtime(CallPath):
    """``session.run(None, {input: images})``."""

    packages = ("onnxruntime", "tf2onnx")
    extra = "onnx"

    @property
    def _file(self) -> Path:
        return self.folder / "model.onnx"

    def prepare(self, model: Any) -> dict[str, float]:
        import tf2onnx

        begin = time.perf_counter()
        frozen = saved_graph.frozen(saved_graph.trace(model, self.shape))
        # Keras' own export fails for networks that hold constants (EfficientNet's normalisation).
        tf2onnx.convert.from_graph_def(
            frozen.graph.as_graph_def(),
            input_names=[tensor.name for tensor in frozen.inputs],
            output_names=[tensor.name for tensor in frozen.outputs],
            opset=_OPSET,
            output_path=str(self._file),
        )
        return {"convert_s": time.perf_counter() - begin}

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
            words = " ".join(str(error).split())
            raise JobFailed(f"ONNX Runtime refuses the converted network: {words}") from error
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
