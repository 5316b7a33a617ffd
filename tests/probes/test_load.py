"""The load probe: settings, a round of every scenario on a fake runtime, and a suite."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from cnnbench.models import registry
from cnnbench.probes.interface import Context
from cnnbench.probes.latency.timed_round import TimingConfig
from cnnbench.probes.load import run as load
from cnnbench.probes.load.server import ServerConfig
from cnnbench.probes.load.settings import LoadSetting, LoadSpec
from tests.probes.fake_runtime import FAKES, FILE
from tests.probes.tiny import Tiny


def test_settings_name_scenario_runtime_batch_and_streams() -> None:
    spec = LoadSpec.model_validate(
        {"runtimes": ["graph"], "scenarios": ["offline", "server", "multi_stream"],
         "streams": [2], "batch_sizes": [1, 8], "threads": [4], "bound": "50ms"}
    )  # fmt: skip
    found = list(spec.settings(registry.resolve("LeNet5")))
    assert [setting.label() for setting in found] == [
        "offline/cpu/graph/b1/s2/t4",
        "offline/cpu/graph/b8/s2/t4",
        "p99=50ms/cpu/graph/b1/s2/t4",
        "multi_stream/cpu/graph/b1/s2/t4",
    ]
    assert [setting.primary_metrics() for setting in found[1:]] == [
        ("load_qps",),
        ("load_qps",),
        ("load_p99_s",),
    ]
    assert found[2].axes_for("load_qps")["runtime"] == "graph"
    assert "load_p99_s" not in found[2].metrics()
    other = LoadSpec(scenarios=["offline"], bound=0.01).settings(registry.resolve("LeNet5"))
    assert next(other).bound is None, "offline has no bound, so its key does not depend on one"
    seconds = LoadSetting(scenario="server", bound=1.5, percentile=90)
    assert seconds.label() == "p90=1.5s/cpu/graph/b1/s1"
    assert found[2].queries == 2000 and found[0].queries is None
    assert found[2].model_copy(update={"queries": 700}).label().endswith("/s2/t4/q700")


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"bound": "50"}, "unit"),
        ({"bound": "1min"}, "60s is too long, at most 10s"),
        ({"percentile": 98}, "percentile"),
        ({"queries": 600}, "queries: p99 needs 662, not 600"),
        ({"streams": [0]}, "greater than or equal to 1"),
        ({"scenarios": ["single_stream"]}, "multi_stream"),
        ({"runtimes": ["liter"]}, "did you mean 'litert'"),
    ],
)
def test_rejects_impossible_values(entry: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        LoadSpec.model_validate(entry)


def _prepared(folder: Path, setting: LoadSetting) -> Context:
    """Write what ``prepare`` makes for the fake runtime, without a network."""
    cell = folder / "cell"
    cell.mkdir()
    context = Context(repeat=0, artifacts=cell, scratch=cell)
    files, output = load.files_of(setting, context), np.ones((1, 3), np.float32)
    np.savez(files / FILE, output)
    image = np.zeros((1, 2, 2, 1), np.float32)
    np.savez(files / "expected.npz", input_0=image, input_1=image, output_0=output)
    return context


@pytest.mark.parametrize("scenario", ["offline", "server", "multi_stream"])
def test_a_round_of_each_scenario(scenario: str, tmp_path: Path) -> None:
    is_server = {"bound": 2e-4, "percentile": 50} if scenario == "server" else {}
    setting = LoadSetting.model_validate(
        {"scenario": scenario, "runtime": "fake", "streams": 2, **is_server}
    )
    timing = TimingConfig(
        seconds=0.02, block_s=0.01, window_s=0.002, warm_up_s=0.01, patience_s=0.0, settle_s=0.0
    )
    config = ServerConfig(timing, seconds=0.01, bounds=50)
    context = _prepared(tmp_path, setting)
    found = load.run(Tiny(), setting, context, FAKES, config, timing)
    names = {"offline": "load_qps", "server": "output_max_abs_diff", "multi_stream": "load_p50_s"}
    assert names[scenario] in found.metrics
    assert found.metrics["output_max_abs_diff"] == 0 and found.metrics["waited_s"] == 0
    assert found.details["threads"] == 2, "a thread a stream, at least"
    assert set(found.details["fastest"]) == {"calls/t2", "arithmetic/t2", "memory/t2"}
    log = (load.files_of(setting, context) / "calls.txt").read_text().split()
    assert log == ["check", *["start"] * 2, *["load", "compile"] * 2, *["close"] * 2]
    json.dumps([found.metrics, found.samples, found.details])


def test_scenarios_share_the_converted_file(tmp_path: Path) -> None:
    offline, many = LoadSetting(runtime="fake"), LoadSetting(runtime="fake", streams=4, threads=4)
    context = Context(repeat=0, artifacts=tmp_path / "cell", scratch=tmp_path)
    folder = load.files_of(offline, context)
    assert folder == load.files_of(many, context)
    assert folder != load.files_of(LoadSetting(runtime="fake", batch_size=2), context)
    (folder / ".converted").touch()
    assert load.prepare(Tiny(), many, context, FAKES).metrics == {}


SUITE = """
name: load
models: [LeNet5]
probes:
  load: {runtimes: [litert], scenarios: [offline, server, multi_stream], streams: [2], bound: 20ms,
         percentile: 50, queries: 20, min_rounds: 1, max_rounds: 1}
"""


@pytest.mark.slow
def test_a_suite_measures_every_scenario(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(SUITE)
    command = [sys.executable, "-m", "cnnbench", "run", "s.yaml", "--out", "out"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (journal,) = (tmp_path / "out").glob("load/*/records.jsonl")
    lines = [json.loads(line) for line in journal.read_text().splitlines()[1:]]
    rounds = {one["setting"]["scenario"]: one for one in lines if one.get("repeat") == 0}
    assert all(one["metrics"]["output_max_abs_diff"] < 1e-4 for one in rounds.values())
    assert rounds["offline"]["metrics"]["load_qps"] > 0
    assert rounds["multi_stream"]["metrics"]["load_p50_s"] > 0
    assert rounds["server"]["details"]["trials"], "whether a rate was found depends on the machine"
    assert "Under load" in done.stdout and "Server, p50 ≤ 20ms" in done.stdout
