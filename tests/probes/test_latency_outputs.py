"""Networks with several outputs: every output varies, and each is compared with Keras' own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnbench.errors import JobFailed
from cnnbench.probes.latency import calibrated_model
from cnnbench.probes.latency import run as latency
from cnnbench.probes.latency.runtimes import RuntimeBase, litert, saved_graph
from cnnbench.probes.latency.runtimes.base import check_order
from cnnbench.probes.latency.runtimes.onnxruntime import OnnxRuntime
from cnnbench.probes.latency.runtimes.openvino import OpenVino
from cnnbench.probes.latency.settings import LatencySetting
from cnnbench.probes.latency.timed_round import TimingConfig
from tests.probes.tiny import Boxes, Listed, Tiny, Twins

SHORT = TimingConfig(seconds=0.01, block_s=0.005, window_s=0.001, warm_up_s=0.01, settle_s=1e-4)


class _Stored(RuntimeBase):
    """Answers with stored outputs, in the order given."""

    def __init__(self, outputs: Sequence[np.ndarray], folder: Path) -> None:
        super().__init__(Tiny(), LatencySetting(runtime="fake", threads=1), folder)
        self._outputs = outputs

    def prepare(self, keras_model: Any) -> dict[str, float]:
        return {}

    def load(self) -> None: ...

    def call(self, fed: Any) -> Sequence[np.ndarray]:
        return self._outputs


def _measured(outputs: Sequence[np.ndarray], folder: Path) -> Any:
    return latency.measured(_Stored(outputs, folder), folder, None, SHORT)


@pytest.mark.slow
def test_exchanged_outputs_of_one_width_disagree_with_keras(tmp_path: Path) -> None:
    model = calibrated_model.build(Twins())
    calibrated_model.write_expected(Twins(), model, 1, tmp_path)
    right = calibrated_model.read_expected(tmp_path).outputs
    assert [output.shape for output in right] == [(1, 4), (1, 4)]
    found = _measured(right, tmp_path)
    assert found.metrics["output_max_abs_diff"] == 0
    assert not any("disagrees" in flag for flag in found.details["flags"])
    exchanged = _measured(right[::-1], tmp_path)
    difference = np.abs(right[0].astype(np.float64) - right[1]).max()
    assert exchanged.metrics["output_max_abs_diff"] == difference > 0.01
    assert any("disagrees" in flag for flag in exchanged.details["flags"])


def test_the_difference_is_that_of_the_worst_output_at_its_own_scale(tmp_path: Path) -> None:
    images = np.zeros((1, 4), np.float32)
    outputs = [np.full((1, 4), 100.0), np.full((1, 4), 0.5)]
    np.savez(
        tmp_path / "expected.npz", input_0=images, input_1=images, output_0=outputs[0],
        output_1=outputs[1],
    )  # fmt: skip
    found = _measured([outputs[0] + 0.05, outputs[1] + 0.01], tmp_path)
    assert found.metrics["output_max_abs_diff"] == pytest.approx(0.01)
    assert found.details["output_scale"] == 0.5


def test_every_output_of_a_deep_network_varies() -> None:
    subject = Boxes(depth=12)
    model = calibrated_model.build(subject)
    images = calibrated_model.random_inputs(subject, 2, seed=9)
    varied = calibrated_model.variations(model, images)
    assert len(varied) == 2 and min(varied) > 0.01
    boxes, classes = calibrated_model.keras_outputs(model, images)
    assert boxes.shape == (2, 4) and classes.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_an_output_that_is_constant_by_design_is_accepted(tmp_path: Path) -> None:
    subject = Boxes(constant=True)
    first = calibrated_model.build(subject, shared=tmp_path)
    images = calibrated_model.random_inputs(subject, 2, seed=9)
    boxes, classes = calibrated_model.variations(first, images)
    assert boxes == 0 and classes > 0.01
    again = calibrated_model.build(subject, shared=tmp_path).get_weights()
    for ours, theirs in zip(first.get_weights(), again, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_smaller_last_kernels_are_those_before_each_output() -> None:
    model = Boxes(depth=3).build()
    before = [np.array(weight) for weight in model.weights]
    calibrated_model._smaller_last_kernels(model, np.zeros(()))
    shapes = [
        tuple(old.shape)
        for old, new in zip(before, model.weights, strict=True)
        if not np.array_equal(old, np.asarray(new))
    ]
    assert sorted(shapes) == [(8, 4), (8, 5)]


@pytest.mark.parametrize("subject", [Boxes(), Twins(), Listed()])
def test_a_litert_file_has_the_outputs_in_the_order_of_the_network(
    subject: Tiny, tmp_path: Path
) -> None:
    model = calibrated_model.build(subject)
    conversion = litert.Conversion(model, (1, *subject.input_shape))
    flatbuffer = conversion.converter.convert()
    conversion.check(flatbuffer)
    (tmp_path / "x.tflite").write_bytes(flatbuffer)
    file = litert.LiteRTFile(tmp_path / "x.tflite", 1)
    file.load()
    file.compile()
    images = calibrated_model.random_inputs(subject, 1, seed=3)
    found, expected = file.call(images), calibrated_model.keras_outputs(model, images)
    assert len(found) == len(expected) > 1
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)


def test_a_converter_that_exchanges_outputs_is_found_out() -> None:
    check_order(["a", "b"], ["a", "b"])
    check_order(["a", "b", "a"], ["a", "b", "c"])  # c has the values of a, of which one is kept
    with pytest.raises(JobFailed, match="changed the outputs: a, b became b, a"):
        check_order(["b", "a"], ["a", "b"])
    for names in (["a"], ["a", "x"], ["b", "b", "a"], ["b", "a", "b"]):
        with pytest.raises(JobFailed, match="changed the outputs"):
            check_order(names, ["a", "b", "c"][: max(2, len(names))])


class _Port:
    def __init__(self, *names: str) -> None:
        self._names = set(names)

    def get_names(self) -> set[str]:
        return self._names


class _Core:
    """Compiles to a network whose outputs are ``c``, ``a`` and ``b``; the first has two names."""

    outputs = (
        _Port(saved_graph.output_name(2), saved_graph.output_name(3)),
        _Port(saved_graph.output_name(0)),
        _Port(saved_graph.output_name(1)),
    )

    def compile_model(self, *_: Any) -> _Core:
        return self

    def __call__(self, fed: Any) -> dict[_Port, np.ndarray]:
        return {port: np.array(place) for place, port in enumerate(self.outputs)}


def test_openvinos_outputs_are_put_in_order_by_name(tmp_path: Path) -> None:
    runtime = OpenVino(Tiny(), LatencySetting(runtime="openvino", threads=1), tmp_path)
    runtime._core, runtime._model = _Core(), None
    runtime.compile(np.zeros((1, 4)))
    outputs = runtime.outputs(runtime.call(np.zeros((1, 4))))
    assert [int(output) for output in outputs] == [1, 2, 0, 0]


class _Session:
    def run(self, names: list[str], fed: dict[str, Any]) -> list[str]:
        return [f"{name} of {fed['images']}" for name in names]


def test_onnx_runtime_is_asked_for_outputs_by_name(tmp_path: Path) -> None:
    runtime = OnnxRuntime(Tiny(), LatencySetting(runtime="onnxruntime", threads=1), tmp_path)
    runtime._session, runtime._input, runtime._outputs = _Session(), "images", ["b", "a"]
    assert runtime.call("x") == ["b of x", "a of x"]  # type: ignore[arg-type]
