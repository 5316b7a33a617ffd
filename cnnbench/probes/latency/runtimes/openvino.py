"""``openvino``: the SavedModel in OpenVINO's CPU plugin, in the setting's precision.

``convert_s`` writes the SavedModel and OpenVINO's own files; ``load_s`` reads them; ``compile_s``
compiles for latency, one stream. By default OpenVINO would compute in bfloat16 if the CPU can.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from cnnbench.errors import Unavailable
from cnnbench.probes.latency.runtimes import saved_graph
from cnnbench.probes.latency.runtimes.runtime import RuntimeBase, RuntimeInfo

_FILE = "model.xml"
_PRECISION = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}
_CAPABILITY = {"float32": "FP32", "bfloat16": "BF16", "float16": "FP16"}


class OpenVino(RuntimeBase):
    """``compiled(images)``; arrays go in and are copied out."""

    def check(self) -> None:
        dtype = self.setting.dtype
        if dtype != "float32":
            import openvino

            able = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
            if _CAPABILITY[dtype] not in able:
                raise Unavailable(f"OpenVINO cannot compute in {dtype} on this CPU")

    def prepare(self, keras_model: Any) -> dict[str, float]:
        import openvino

        begin = time.perf_counter()
        saved = self.folder / "saved_model"
        saved_graph.save_model(keras_model, self.shape, saved)
        converted = openvino.convert_model(str(saved), input=list(self.shape))
        openvino.save_model(converted, str(self.folder / _FILE), compress_to_fp16=False)
        return {"convert_s": time.perf_counter() - begin}

    def load(self) -> None:
        import openvino

        self._core = openvino.Core()
        self._model = self._core.read_model(str(self.folder / _FILE))

    def compile(self, images: np.ndarray) -> None:
        self._compiled = self._core.compile_model(
            self._model,
            "CPU",
            {
                "PERFORMANCE_HINT": "LATENCY",
                "NUM_STREAMS": "1",
                "INFERENCE_NUM_THREADS": str(self.threads),
                "INFERENCE_PRECISION_HINT": _PRECISION[self.setting.dtype],
            },
        )
        # OpenVINO changes the order of the outputs (of twelve, the ninth came third), and one port
        # can have the names of several that are the same.
        places = {
            name: index
            for index, port in enumerate(self._compiled.outputs)
            for name in port.get_names()
        }
        self._order: list[int] = []
        while (name := saved_graph.output_name(len(self._order))) in places:
            self._order.append(places[name])

    def call(self, fed: np.ndarray) -> list[np.ndarray]:
        return list(self._compiled(fed).values())

    def outputs(self, result: Any) -> list[np.ndarray]:
        return [result[index] for index in self._order]

    def threads_in_use(self) -> int:
        return int(self._compiled.get_property("INFERENCE_NUM_THREADS"))

    def close(self) -> None:
        del self._compiled, self._model, self._core


OPENVINO = RuntimeInfo(
    create=OpenVino,
    packages=("openvino",),
    install='pip install "cnnbench[openvino]"',
    files=(_FILE, "model.bin"),
    dtypes=("float32", "bfloat16", "float16"),
    lowers_precision=True,
)
