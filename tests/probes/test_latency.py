"""The latency probe on a tiny network: every runtime that is installed, in fresh processes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnbench.environment import usable_cores
from cnnbench.errors import JobFailed, Unavailable
from cnnbench.probes.interface import Context
from cnnbench.probes.latency import calibrated_model, machine, timed_calls
from cnnbench.probes.latency import run as latency
from cnnbench.probes.latency.machine import CpuUsage
from cnnbench.probes.latency.runtimes import RUNTIMES
from cnnbench.probes.latency.runtimes.base import TOLERANCES, RuntimeBase
from cnnbench.probes.latency.runtimes.graph import Graph
from cnnbench.probes.latency.runtimes.runtime import RuntimeInfo
from cnnbench.probes.latency.settings import LatencySetting
from cnnbench.probes.latency.timed_round import TimingConfig
from tests.probes.paths import prepare_and_run, require
from tests.probes.test_latency_timing import Clock, timing_of
from tests.probes.tiny import Tiny


def _context(folder: Path) -> Context:
    return Context(repeat=0, artifacts=folder, scratch=folder)


@pytest.mark.parametrize("runtime", ["graph", "litert"])
def test_fast_runtimes_prepare_and_run(runtime: str, tmp_path: Path) -> None:
    _check_runtime(LatencySetting(runtime=runtime, threads=1), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["predict", "eager", "xla", "onnxruntime", "openvino", "jax"])
def test_slower_runtimes_prepare_and_run(runtime: str, tmp_path: Path) -> None:
    _check_runtime(LatencySetting(runtime=runtime, threads=1), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["graph", "litert", "onnxruntime", "openvino"])
def test_runtimes_use_the_requested_threads(runtime: str, tmp_path: Path) -> None:
    if usable_cores() < 2:
        pytest.skip("one core")
    found = _check_runtime(LatencySetting(runtime=runtime, threads=2), tmp_path)
    assert found["details"]["threads_in_use"] == 2


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["graph", "eager"])
def test_bfloat16_differs_from_float32_within_its_tolerance(runtime: str, tmp_path: Path) -> None:
    setting = LatencySetting(runtime=runtime, dtype="bfloat16", batch_size=2)
    _, found = prepare_and_run(setting, tmp_path)
    assert found["metrics"]["output_max_abs_diff"] > 1e-5
    assert not any("disagrees" in flag for flag in found["details"]["flags"])


def _check_runtime(setting: LatencySetting, folder: Path) -> dict[str, Any]:
    require(setting.runtime)
    made, found = prepare_and_run(setting, folder)
    if setting.runtime == "litert":
        # four bytes a weight, and the graph
        assert made["metrics"]["file_bytes"] > 4 * Tiny.params
        assert made["metrics"]["file_gzip_bytes"] < made["metrics"]["file_bytes"]
    metrics, details = found["metrics"], found["details"]
    assert metrics["output_max_abs_diff"] < 1e-5 * details["output_scale"]
    for name in ("load_s", "compile_s", "first_call_s", "reference_s"):
        assert metrics[name] > 0
    assert 0 < metrics["latency_location_s"] <= metrics["latency_p50_s"]
    assert metrics["throughput_per_s"] == pytest.approx(1 / metrics["latency_mean_s"])
    assert details["threads"] == setting.threads
    assert details["threads_in_use"] in (None, setting.threads)
    assert 0 < metrics["first_call_s"] < details["work_s"]
    assert made["details"]["work_s"] > made["metrics"].get("convert_s", 0)
    assert len(found["samples"]["latency_s"]) == min(details["calls"], 1000)
    assert len(json.dumps(found)) < 30_000
    return found


def test_missing_gpu_is_reported_before_building(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tensorflow as tf

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    reasons = {"graph": "no GPU visible to TensorFlow", "litert": "litert is measured on the CPU"}
    for runtime, reason in reasons.items():
        setting = LatencySetting(runtime=runtime, device="gpu")
        for act in (latency.prepare, latency.run):
            with pytest.raises(Unavailable, match=reason):
                act(Tiny(), setting, _context(tmp_path))


def test_unsupported_settings_are_unavailable() -> None:
    with pytest.raises(Unavailable, match="litert is measured on the CPU only"):
        RUNTIMES["litert"].check(LatencySetting(runtime="litert", device="gpu"))
    with pytest.raises(Unavailable, match="litert is measured in float32 only"):
        RUNTIMES["litert"].check(LatencySetting(runtime="litert", dtype="float16"))


@pytest.mark.parametrize(
    ("runtime", "command"),
    [
        ("onnxruntime", 'pip install "cnnbench[onnx]"'),
        ("openvino", 'pip install "cnnbench[openvino]"'),
        ("jax", 'pip install "cnnbench[jax]"'),
        ("graph", "pip install cnnbench"),
    ],
)
def test_missing_package_names_the_install_command(runtime: str, command: str) -> None:
    with pytest.raises(Unavailable, match=f"is not installed: {re.escape(command)}"):
        RUNTIMES[runtime].check(LatencySetting(runtime=runtime), version_of=lambda name: None)


def test_missing_package_without_install_command_is_named() -> None:
    info = RuntimeInfo(_Wrong, packages=("numpy", "nothing-of-that-name"))
    with pytest.raises(Unavailable, match="not installed: pip install nothing-of-that-name"):
        info.check(LatencySetting())


def test_disagreement_with_keras_is_flagged() -> None:
    assert calibrated_model.disagreement(1e-4, 0.5) == []
    assert calibrated_model.disagreement(0.2, 0.5) == [
        "output disagrees with Keras by 0.2 (largest output 0.5)"
    ]
    assert calibrated_model.disagreement(float("nan"), 0.5) != []


def test_tolerance_follows_the_arithmetic() -> None:
    # What an H100 made of InceptionV3.
    assert calibrated_model.disagreement(1.8e-4, 0.0078, TOLERANCES["tensorfloat32"]) == []
    assert calibrated_model.disagreement(1.8e-4, 0.0078, TOLERANCES["float32"]) != []
    for device, setting, arithmetic in (
        ("GPU:0", {}, "tensorfloat32"),
        ("GPU:0", {"dtype": "bfloat16"}, "bfloat16"),
        ("CPU:0", {}, "float32"),
    ):
        runtime = Graph(Tiny(), LatencySetting.model_validate(setting), Path(), device)
        assert runtime.arithmetic() == arithmetic
        assert runtime.tolerance() == TOLERANCES[arithmetic]


def test_drift_is_a_change_that_the_reference_does_not_explain() -> None:
    # medians of the last and the first two: 1.45 / 1.05
    slowing = timing_of([1.0], [1.1], [1.2], [1.3], [1.4], [1.5])
    assert timed_calls.drift(slowing, None) == pytest.approx(1.45 / 1.05 - 1)
    assert timed_calls.drift(slowing, "calls") == pytest.approx(1.45 / 1.05 - 1)
    shared = timing_of()
    for factor in (1.0, 1.1, 1.2, 1.3, 1.4, 1.5):
        shared.blocks += timing_of([factor], reference=0.001 * factor).blocks
    assert timed_calls.drift(shared, "calls") == pytest.approx(0)
    assert timed_calls.drift(shared, None) > 0.3
    scattered = timing_of([1.0], [2.0], [1.0], [2.0], [2.0], [1.5])
    assert timed_calls.drift(scattered, None) == 0, "without overlap only"


def test_summary_equals_manual_calculation() -> None:
    calls = [0.001 * value for value in range(1, 12)]
    timing = timing_of(calls, reference=0.003)
    found = timed_calls.summary(timing, batch_size=4, workload="memory")
    assert found["latency_location_s"] == pytest.approx(0.002)  # of 1, 2, 3 ms
    assert found["latency_mean_s"] == found["latency_p50_s"] == pytest.approx(0.006)
    assert found["throughput_per_s"] == pytest.approx(4 / 0.006)
    assert found["reference_s"] == pytest.approx(0.003)
    assert (found["waited_s"], found["left_out_s"]) == (0, 0)
    assert "latency_p90_s" not in found  # 64 calls are needed
    assert "reference_s" not in timed_calls.summary(timing, batch_size=4, workload=None)


def test_thinned_samples_keep_both_ends_and_four_digits() -> None:
    assert timed_calls.thinned([0.0123456], 10) == [0.01235]
    assert timed_calls.thinned([float(value) for value in range(101)], 3) == [0, 50, 100]


def test_different_output_shapes_disagree_infinitely() -> None:
    difference, scale = calibrated_model.difference([np.zeros((1, 3))], [np.ones((1, 4))])
    assert difference == float("inf") and scale == 1


def test_small_output_is_compared_at_its_own_scale() -> None:
    large, small = np.full((1, 3), 100.0), np.full((1, 3), 1.0)
    assert calibrated_model.difference([large + 0.05, small + 0.09], [large, small]) == (
        pytest.approx(0.09),
        1.0,
    )


def test_a_nan_in_any_output_disagrees() -> None:
    sound, broken = np.ones((1, 3)), np.array([[1.0, np.nan, 1.0]])
    for outputs in ([sound, broken], [broken, sound]):
        difference, _ = calibrated_model.difference(outputs, [sound, sound])
        assert np.isnan(difference)


def test_rejects_constant_outputs() -> None:
    with pytest.raises(JobFailed, match="the same for every input"):
        calibrated_model.build(Tiny(constant=True))


def test_deep_network_without_normalisation_gets_varied_outputs() -> None:
    model = calibrated_model.build(Tiny(depth=12))
    images = calibrated_model.random_inputs(Tiny(), 2, seed=9)
    assert min(calibrated_model.variations(model, images)) > 0.01


def test_weights_with_varied_outputs_are_kept(tmp_path: Path) -> None:
    trained = Tiny(trained=True)
    before = trained.build().get_weights()
    assert _same(before, calibrated_model.build(trained, shared=tmp_path).get_weights())
    assert list(tmp_path.iterdir()) == []


def test_cells_of_a_network_share_scaled_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scale = calibrated_model._wider_kernels
    calls = []
    monkeypatch.setattr(
        calibrated_model, "_wider_kernels", lambda *of: calls.append(of) or scale(*of)
    )
    first = calibrated_model.build(Tiny(depth=12), shared=tmp_path).get_weights()
    (file,) = tmp_path.iterdir()
    assert _same(first, calibrated_model.build(Tiny(depth=12), shared=tmp_path).get_weights())
    assert len(calls) == 1

    # Another network of that name, or a file cut short, is no reason to fail.
    assert len(calibrated_model.build(Tiny(depth=13), shared=tmp_path).get_weights()) > len(first)
    file.write_bytes(file.read_bytes()[:1000])
    assert _same(first, calibrated_model.build(Tiny(depth=12), shared=tmp_path).get_weights())
    assert len(calls) == 3
    assert list(tmp_path.iterdir()) == [file]


def _same(some: list[np.ndarray], others: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(some, others, strict=True))


class _Wrong(RuntimeBase):
    """Answers with ones, computes on three threads, and is slower at every call."""

    clock = Clock()
    seconds = 0.0

    def prepare(self, model: Any) -> dict[str, float]:
        return {}

    def load(self) -> None: ...

    def call(self, fed: Any) -> Any:
        self.seconds += 0.0005
        self.clock.takes(self.seconds)
        return [np.ones((1, 5))]

    def threads_in_use(self) -> int:
        return 3


def test_record_lists_the_flags_of_a_round(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = [np.zeros((1, 16, 16, 3), np.float32)]
    expected = calibrated_model.Expected(images, [np.zeros((1, 5)) + 0.2])
    monkeypatch.setattr(calibrated_model, "read_expected", lambda folder: expected)
    crowded = CpuUsage(own_cores=1.0, other_cores=0.5, stolen_cores=0.0, throttled=0)
    monkeypatch.setattr(machine, "over", lambda spans: crowded)
    path = _Wrong(Tiny(), LatencySetting(runtime="graph", threads=1), tmp_path)
    effort = TimingConfig(
        seconds=0.05, calls=11, block_s=0.01, window_s=0.0, agreement=0.01, warm_up_s=0.01,
        settle_s=1e-5, patience_s=0.0, clock_ns=_Wrong.clock,
    )  # fmt: skip
    details = latency.measured(path, tmp_path, None, effort).details
    assert details["disturbances"] == ["another process used the CPU (0.50 cores)"]
    flags = details["flags"]
    assert [flag.partition(":")[0].partition(" (")[0] for flag in flags] == [
        "output disagrees with Keras by 0.8",
        "not warmed up",
        "drifting",
        "the runtime uses 3 threads instead of 1",
    ]
