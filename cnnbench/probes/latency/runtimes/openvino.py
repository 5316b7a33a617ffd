"""``openvino``: the SavedModel in OpenVINO's CPU plugin, in the setting's precision.

``convert_s`` writes the SavedModel and OpenVINO's own files; ``load_s`` reads them; ``compile_s``
compiles for latency, one stream, or for throughput in OpenVINO's own streams. By default OpenVINO
would compute in bfloat16 if the CPU can.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np

from cnnbench.errors import Unavailable
from cnnbench.probes.latency.runtimes import saved_graph
from cnnbench.probes.latency.runtimes.base import RuntimeBase
from cnnbench.probes.latency.runtimes.executed import (
    Executed,
    Profile,
    RanOperation,
    TimedOperation,
)
from cnnbench.probes.latency.runtimes.runtime import RuntimeInfo, Steps
from cnnbench.probes.latency.timed_round import fastest_decile_mean

if TYPE_CHECKING:
    from cnnbench.models.handle import ModelHandle
    from cnnbench.probes.latency.settings import LatencySetting

_FILE = "model.xml"
_PRECISION = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}
_REFERENCE = ("ref", "simple_ref")  # start the name of a primitive without a kernel of its own
_WARM_UP, _FEWEST_CALLS, _MOST_CALLS = 2, 10, 200
_METHOD = (
    "Times are OpenVINO's performance counters, of the layers of its compiled network; a layer can "
    "have several of the network's fused. The whole call is their sum."
)
_CAPABILITY = {"float32": "FP32", "bfloat16": "BF16", "float16": "FP16"}


class OpenVino(RuntimeBase):
    """``compiled(images)``; arrays go in and are copied out."""

    def __init__(self, model: ModelHandle, setting: LatencySetting, folder: Path) -> None:
        super().__init__(model, setting, folder)
        self._streams = 0

    def in_streams(self, count: int) -> Sequence[Self]:
        """Return requests of one network, which is compiled for throughput in ``count`` streams."""
        self._streams = count
        return [self, *(cast("Self", _Request(self)) for _ in range(count - 1))]

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
        openvino.save_model(converted, str(self.file_to_write(_FILE)), compress_to_fp16=False)
        return {"convert_s": time.perf_counter() - begin}

    def load(self) -> None:
        import openvino

        self._core = openvino.Core()
        self._model = self._core.read_model(str(self.file_to_read(_FILE)))

    def compile(self, images: np.ndarray) -> None:
        self._compiled = self._core.compile_model(self._model, "CPU", self._options())
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
        self._infer: Callable[[np.ndarray], Any] = self._compiled
        if self._streams:
            self._infer = self.new_request()

    def new_request(self) -> Callable[[np.ndarray], Any]:
        """Return a call of the compiled network that may run beside others."""
        return partial(self._compiled.create_infer_request().infer, share_inputs=True)

    def call(self, fed: np.ndarray) -> list[np.ndarray]:
        return list(self._infer(fed).values())

    def outputs(self, result: Any) -> list[np.ndarray]:
        return [result[index] for index in self._order]

    def steps(self) -> Steps:
        import openvino

        request = self._compiled.create_infer_request()
        return Steps(
            copy_in=lambda images: request.set_input_tensor(
                openvino.Tensor(images, shared_memory=True)
            ),
            compute=lambda _: request.infer(),
            copy_out=lambda _: [
                request.get_output_tensor(index).data.copy() for index in self._order
            ],
        )

    def executed(self) -> Executed:
        """Run the file once and return which layers a kernel of the plugin's own takes, and how.

        Layers that have none run in reference code.
        """
        layers = self._layers(np.zeros(self.shape, np.float32), calls=1)[0]
        operations = (
            RanOperation(
                one.node_type,
                not one.exec_type.startswith(_REFERENCE),
                precision=one.exec_type.rpartition("_")[2],
            )
            for one in layers
        )
        return Executed("OpenVINO's kernels", tuple(operations))

    def profile(self, images: np.ndarray, seconds: float) -> Profile:
        """Time every layer by OpenVINO's performance counters."""
        begin = time.perf_counter()
        self._layers(images, calls=1)
        once = max(time.perf_counter() - begin, 1e-6)
        calls = int(min(max(seconds / once, _FEWEST_CALLS), _MOST_CALLS))
        found = self._layers(images, calls)
        names = dict.fromkeys(one.node_name for layers in found for one in layers)
        by_name: dict[str, list[Any]] = {name: [] for name in names}
        for layers in found:
            for one in layers:
                by_name[one.node_name].append(one)
        operations = tuple(
            TimedOperation(
                name=name,
                kind=of[0].node_type,
                seconds=fastest_decile_mean([one.real_time.total_seconds() for one in of]),
                part=of[0].exec_type,
            )
            for name, of in by_name.items()
        )
        return Profile(operations, sum(one.seconds for one in operations), _METHOD)

    def _layers(self, images: np.ndarray, calls: int) -> list[list[Any]]:
        """Return OpenVINO's facts about every layer that was executed, a list a call."""
        import openvino

        core = openvino.Core()
        model = core.read_model(str(self.file_to_read(_FILE)))
        compiled = core.compile_model(model, "CPU", self._options() | {"PERF_COUNT": "YES"})
        request = compiled.create_infer_request()
        found = []
        for call in range(_WARM_UP + calls):
            request.infer([images])
            if call >= _WARM_UP:
                found.append([one for one in request.profiling_info if _was_executed(one)])
        return found

    def _options(self) -> dict[str, str]:
        return {
            "PERFORMANCE_HINT": "THROUGHPUT" if self._streams else "LATENCY",
            "NUM_STREAMS": str(self._streams or 1),
            "INFERENCE_NUM_THREADS": str(self.threads),
            "INFERENCE_PRECISION_HINT": _PRECISION[self.setting.dtype],
        }

    def threads_in_use(self) -> int:
        return int(self._compiled.get_property("INFERENCE_NUM_THREADS"))

    def close(self) -> None:
        del self._infer, self._compiled, self._model, self._core


class _Request(OpenVino):
    """One more request of a network that ``first`` loads and compiles."""

    def __init__(self, first: OpenVino) -> None:
        super().__init__(first.model, first.setting, first.folder)
        self._first = first

    def load(self) -> None:
        """Load nothing."""

    def compile(self, images: np.ndarray) -> None:
        self._compiled, self._order = self._first._compiled, self._first._order
        self._infer = self._first.new_request()

    def close(self) -> None:
        del self._infer, self._compiled


def _was_executed(layer: Any) -> bool:
    """Return whether a layer ran: others are constants, or were fused into one that did."""
    return str(layer.status).endswith("EXECUTED")


OPENVINO = RuntimeInfo(
    create=OpenVino,
    packages=("openvino",),
    install='pip install "cnnbench[openvino]"',
    files=(_FILE, "model.bin"),
    dtypes=("float32", "bfloat16", "float16"),
    lowers_precision=True,
    profiles=True,
    copies_apart=True,
)
