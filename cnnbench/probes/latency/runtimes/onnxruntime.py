"""``onnxruntime``: the frozen graph as ONNX in ONNX Runtime's CPU provider, float32.

``convert_s`` freezes the graph and translates it with tf2onnx; ``load_s`` opens the session, in
which ONNX Runtime optimises the graph; there is no compile step of its own. Arrays go in and out.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cnnbench.errors import JobFailed, brief, is_out_of_memory
from cnnbench.probes.latency.runtimes import saved_graph
from cnnbench.probes.latency.runtimes.base import RuntimeBase, check_order, thread_counter
from cnnbench.probes.latency.runtimes.executed import (
    Executed,
    Profile,
    RanOperation,
    TimedOperation,
)
from cnnbench.probes.latency.runtimes.runtime import RuntimeInfo, Steps
from cnnbench.probes.latency.timed_round import fastest_decile_mean

_FILE = "model.onnx"
_OPSET = 18
_CATCH_ERRORS = "TF2ONNX_CATCH_ERRORS"
_PROVIDERS = ("CPUExecutionProvider",)
_KERNEL = "_kernel_time"  # ends the name of the event in which a node computes
_WARM_UP, _FEWEST_CALLS, _MOST_CALLS = 2, 10, 200
_METHOD = (
    "Times are those of ONNX Runtime's profiler, of the nodes of its optimised graph; a node can "
    "have several layers fused."
)


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
            output_path=str(self.file_to_write(_FILE)),
        )
        return [output.name for output in made.graph.output]

    def load(self) -> None:
        options = self._options()
        count_threads = thread_counter()
        self._session = self._session_of(options)
        self._threads_in_use = count_threads()
        self._input = self._session.get_inputs()[0].name
        self._outputs = [output.name for output in self._session.get_outputs()]

    def call(self, fed: np.ndarray) -> list[np.ndarray]:
        outputs: list[np.ndarray] = self._session.run(self._outputs, {self._input: fed})
        return outputs

    def steps(self) -> Steps:
        binding = self._session.io_binding()
        for name in self._outputs:
            binding.bind_output(name)
        return Steps(
            copy_in=lambda images: binding.bind_cpu_input(self._input, images),
            compute=lambda _: self._session.run_with_iobinding(binding),
            copy_out=lambda _: binding.copy_outputs_to_cpu(),
        )

    def executed(self) -> Executed:
        """Run the file once and return which nodes the first provider takes."""
        nodes = _nodes(self._profiled(np.zeros(self.shape, np.float32), calls=1))
        operations = (RanOperation(node.kind, node.part == _PROVIDERS[0]) for node in nodes)
        return Executed(_PROVIDERS[0], tuple(operations))

    def profile(self, images: np.ndarray, seconds: float) -> Profile:
        """Time every node by ONNX Runtime's own profiler."""
        begin = time.perf_counter()
        events = self._profiled(images, calls=1)
        once = max(time.perf_counter() - begin, 1e-6)
        calls = int(min(max(seconds / once, _FEWEST_CALLS), _MOST_CALLS))
        events = self._profiled(images, calls)
        nodes = _nodes(events)
        whole = [event["dur"] * 1e-6 for event in events if event["name"] == "model_run"]
        return Profile(tuple(nodes), fastest_decile_mean(whole[_WARM_UP:] or whole), _METHOD)

    def _profiled(self, images: np.ndarray, calls: int) -> list[dict[str, Any]]:
        """Return the events that ONNX Runtime's profiler records in some calls."""
        session = self._session_of(self._options(profile=True))
        fed = {session.get_inputs()[0].name: images}
        for _ in range(_WARM_UP + calls):
            session.run(None, fed)
        events: list[dict[str, Any]] = json.loads(Path(session.end_profiling()).read_text())
        return events

    def _options(self, profile: bool = False) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        if profile:
            options.enable_profiling = True
            options.profile_file_prefix = str(self.folder / "profile")
        return options

    def _session_of(self, options: Any) -> Any:
        import onnxruntime

        try:
            return onnxruntime.InferenceSession(
                str(self.file_to_read(_FILE)), options, providers=list(_PROVIDERS)
            )
        except Exception as error:  # ONNX Runtime's own errors share no base
            if is_out_of_memory(error):
                raise
            message = f"ONNX Runtime rejects the converted model: {brief(error)}"
            raise JobFailed(message) from error

    def threads_in_use(self) -> int | None:
        """Return the number of threads: the caller and those that the session started."""
        return self._threads_in_use


def _nodes(events: Sequence[Mapping[str, Any]]) -> list[TimedOperation]:
    """Return every node with the mean of its fastest tenth of calls, in the order of execution."""
    found: dict[str, list[float]] = {}
    facts: dict[str, Mapping[str, Any]] = {}
    for event in events:
        name = event.get("name", "")
        if event.get("cat") == "Node" and name.endswith(_KERNEL):
            found.setdefault(name, []).append(event["dur"] * 1e-6)
            facts.setdefault(name, event["args"])
    return [
        TimedOperation(
            name=name.removesuffix(_KERNEL),
            kind=facts[name].get("op_name", ""),
            seconds=fastest_decile_mean(seconds[_WARM_UP:] or seconds),
            part=facts[name].get("provider", ""),
        )
        for name, seconds in found.items()
    ]


ONNXRUNTIME = RuntimeInfo(
    create=OnnxRuntime,
    packages=("onnxruntime", "tf2onnx"),
    install='pip install "cnnbench[onnx]"',
    there={"onnxruntime": "onnxruntime"},
    files=(_FILE,),
    profiles=True,
    copies_apart=True,
)
