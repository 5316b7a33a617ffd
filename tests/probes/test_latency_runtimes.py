"""The registry of runtimes: a fake one that is injected, and one of another package."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from cnnbench.errors import JobFailed, UserError
from cnnbench.models import registry
from cnnbench.plugins import PROBES
from cnnbench.probes.interface import Context
from cnnbench.probes.latency import run as latency
from cnnbench.probes.latency.runtimes import RUNTIMES
from cnnbench.probes.latency.settings import LatencySetting
from cnnbench.probes.latency.timed_round import TimingConfig
from cnnbench.suite import suite as suites
from cnnbench.suite import yaml_source
from tests.conftest import ROOT
from tests.probes.fake_runtime import FAKES, FILE, LOG, Fake, Off
from tests.probes.paths import prepare_and_run
from tests.probes.tiny import Tiny
from tests.test_extras import EXTRAS, cnnbench


def test_runtime_is_prepared_once_and_opened_in_every_round(tmp_path: Path) -> None:
    made, found = prepare_and_run(LatencySetting(runtime="fake"), tmp_path)
    log = (tmp_path / "cell" / LOG).read_text().split()
    assert log == ["check", "prepare", "check", "start", "load", "compile", "close"]
    # Two of four operations, and 150 of their 200 MACs.
    assert made["metrics"] == {
        "convert_s": 0.25,
        "accelerated_ops": 0.5,
        "accelerated_macs": 0.75,
        "accelerated_partitions": 2,
    }
    assert made["details"]["accelerated_by"] == "fake"
    assert made["details"]["not_accelerated"] == [
        {"op": "MUL", "count": 1, "macs": 50},
        {"op": "SORT", "count": 1, "macs": 0},
    ]
    assert made["details"]["precisions"] == {"INT8": 3}
    assert found["metrics"]["output_max_abs_diff"] == 0
    assert found["metrics"]["latency_location_s"] > 0
    details = found["details"]
    assert (details["arithmetic"], details["threads"]) == ("int8", 1)
    assert not any("disagrees" in flag for flag in details["flags"])


@pytest.mark.slow
def test_runtime_tolerance_decides_agreement(tmp_path: Path) -> None:
    np.savez(tmp_path / "expected.npz", input_0=np.zeros((1, 4)), output_0=np.ones((1, 4)))
    np.savez(tmp_path / FILE, np.ones((1, 4)))
    timing = TimingConfig(
        seconds=0.01, block_s=0.005, window_s=0.001, warm_up_s=0.01, settle_s=1e-4
    )
    for kind, disagrees in ((Fake, False), (Off, True)):
        runtime = kind(Tiny(), LatencySetting(runtime="fake"), tmp_path)
        found = latency.measured(runtime, tmp_path, None, timing)
        assert found.metrics["output_max_abs_diff"] == kind.error
        words = "output disagrees with Keras by 0.5 (largest output 1)"
        assert (words in found.details["flags"]) == disagrees


def test_missing_file_is_named_before_loading(tmp_path: Path) -> None:
    context = Context(repeat=0, artifacts=tmp_path, scratch=tmp_path)
    with pytest.raises(JobFailed, match=f"the converted file {FILE} is missing"):
        latency.run(Tiny(), LatencySetting(runtime="fake"), context, FAKES)
    assert (tmp_path / LOG).read_text() == "check\n"


def test_runtime_descriptions_import_no_libraries() -> None:
    code = (
        "import sys; from cnnbench.probes.latency.runtimes import RUNTIMES\n"
        "assert len(list(RUNTIMES.values())) >= 7\n"
        "heavy = {'tensorflow', 'keras', 'ai_edge_litert', 'onnxruntime', 'tf2onnx', 'openvino'}\n"
        "print(*heavy & sys.modules.keys())"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_setting_is_serialised_as_in_older_journals() -> None:
    assert LatencySetting().model_dump(mode="json") == {
        "runtime": "graph", "device": "cpu", "batch_size": 1, "threads": "all", "dtype": "float32",
    }  # fmt: skip


def test_reads_journals_with_runtimes_that_are_not_installed() -> None:
    assert PROBES["latency"].read_setting({"runtime": "toy"}).label() == "cpu/toy/b1"
    for name in ("a/b", "a@b", "", "../x"):
        with pytest.raises(ValidationError):
            PROBES["latency"].read_setting({"runtime": name})
    with pytest.raises(UserError, match="unknown runtime 'toy'"):
        RUNTIMES.find("toy")


@pytest.mark.parametrize(
    ("runtimes", "complaint"),
    [
        (
            "[graph, litrt]",
            "s.yaml:3: probes.latency.runtimes.1: unknown runtime 'litrt' (did you mean 'litert'?)",
        ),
        (
            "quux",
            "unknown runtime 'quux' (one of: predict, eager, graph, xla, litert, onnxruntime, jax, "
            "openvino",
        ),
        ("[graph, graph]", "duplicate value 'graph'"),
        ("[3]", "probes.latency.runtimes.0: 3 should be a valid string"),
        ("[a/b]", "probes.latency.runtimes.0: 'a/b' is not a valid name (letters, digits"),
        ("[]", "probes.latency.runtimes: []"),
    ],
)
def test_rejects_wrong_runtime_with_its_line(runtimes: str, complaint: str) -> None:
    text = f"name: x\nmodels: [LeNet5]\nprobes: {{latency: {{runtimes: {runtimes}}}}}"
    with pytest.raises(UserError) as error:
        suites.check(yaml_source.parse(text, "s.yaml"), registry)
    assert complaint in str(error.value)


_SUITE = """
name: toys
models: ["LeNet5"]
probes: {latency: {runtimes: [stored], threads: [1], min_rounds: 1, max_rounds: 1}}
"""


@pytest.mark.slow
def test_suite_times_a_runtime_of_another_package(tmp_path: Path) -> None:
    (tmp_path / "toys.yaml").write_text(_SUITE)
    done = cnnbench(tmp_path, "run", "toys.yaml")
    assert done.returncode == 0, done.stderr[-3000:]
    prepared, timed = _records(tmp_path / "results")
    assert (prepared["status"], prepared["metrics"]) == ("ok", {"convert_s": 0.5})
    assert timed["setting"]["runtime"] == "stored"
    assert timed["metrics"]["latency_location_s"] > 0
    assert timed["metrics"]["output_max_abs_diff"] < 1e-5
    (environment,) = tmp_path.glob("results/toys/*/environment.json")
    libraries = json.loads(environment.read_text())["fingerprint"]["libraries"]
    assert libraries["cnnbench-extras"] == libraries["wheel-of-extras"] == "1.0"

    site = tmp_path / "site"
    shutil.copytree(EXTRAS, site)
    for file in site.glob("*/entry_points.txt"):
        file.write_text("[cnnbench.runtimes]\nstored = extras.stored:NOTHING\n")
    doctor = cnnbench(tmp_path, "doctor", "--no-noise", "--no-peaks", site=site)
    assert "the runtime 'stored' cannot be loaded from extras.stored:NOTHING" in doctor.stdout
    assert "cnnbench-extras 1.0" in doctor.stdout
    report = cnnbench(tmp_path, "report", "results/toys", site=None)
    assert report.returncode == 0 and "cpu/stored/b1" in report.stdout, report.stderr


def _records(out: Path) -> list[dict[str, Any]]:
    (journal,) = out.glob("toys/*/records.jsonl")
    return [json.loads(line) for line in journal.read_text().splitlines()[1:]]
