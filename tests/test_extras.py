"""A package outside cnnbench adds one of everything (``tests/extras``), used as a user would."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

EXTRAS = ROOT / "tests" / "extras"
MODELS = 'models: [Tiny, "Tiny[activation=linear]", "toy://red[width=3]"]\n'
COUNTING = """
  static: {batch_sizes: [1]}
  layers: {layer_types: [Dense, HardSwish]}
"""
MEASURING = """
  latency: {models: [Tiny], runtimes: [stored], threads: [1], min_rounds: 1, max_rounds: 1}
  accuracy:
  - {models: [Tiny], dataset: shades, epochs: 3, learning_rate: 0.03, batch_size: 8, seeds: 1}
  - {models: ["Tiny[activation=linear]"], dataset: shades, task: brightness, epochs: 2, seeds: 1}
"""


def cnnbench(
    folder: Path, *words: str, site: Path | None = EXTRAS
) -> subprocess.CompletedProcess[str]:
    """The command line as a process, with the packages of ``site`` installed."""
    path = [str(ROOT), *([str(site)] if site else [])]
    return subprocess.run(
        [sys.executable, "-m", "cnnbench", *words],
        capture_output=True, text=True, cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path), "CUDA_VISIBLE_DEVICES": "-1"},
    )  # fmt: skip


def suite(folder: Path, text: str) -> str:
    (folder / "extras.yaml").write_text(f"name: extras\n{text}")
    return "extras.yaml"


def rows(folder: Path) -> dict[str, dict[str, str]]:
    """The report of the suite: model -> column -> cell."""
    (report,) = folder.glob("results/extras/*/report.csv")
    with report.open(newline="") as lines:
        return {row["model"]: row for row in csv.DictReader(lines)}


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the outside probe counted outside models, on the outside executor."""
    folder = tmp_path_factory.mktemp("extras")
    text = f"{MODELS}probes:{COUNTING}"
    done = cnnbench(folder, "run", suite(folder, text), "--on", "threads://a,b")
    assert done.returncode == 0, done.stderr
    assert "Layers" in done.stdout
    return folder


def test_an_architecture_a_model_source_and_a_probe_meet_in_a_report(counted: Path) -> None:
    found = rows(counted)
    assert list(found) == ["Tiny", "Tiny[activation=linear]", "toy://red[width=3]"]
    assert [row["layers@Dense"] for row in found.values()] == ["1", "1", "1"]
    assert found["Tiny"]["params"] == str((9 * 8 + 8) + (8 * 2 + 2))
    assert found["toy://red[width=3]"]["params"] == str((9 * 3 + 3) + (3 * 10 + 10))


def test_the_executor_describes_where_each_job_ran(counted: Path) -> None:
    files = counted.glob("results/extras/*/environment*.json")
    hosts = {json.loads(file.read_text())["fingerprint"]["host"] for file in files}
    assert hosts == {"a", "b"}


def test_a_counting_rule_replaces_tracing(counted: Path) -> None:
    done = cnnbench(counted, "inspect", "Tiny", "--json")
    (row,) = (row for row in json.loads(done.stdout)["layers"] if row["type"] == "HardSwish")
    assert row["flops"] == 6 * 6 * 8  # four times as many if traced


def test_a_format_writes_the_report(counted: Path) -> None:
    done = cnnbench(counted, "report", "results/extras", "--format", "names")
    assert done.stdout == "Tiny\nTiny[activation=linear]\ntoy://red[width=3]\n", done.stderr


def test_a_probe_fills_columns_that_can_be_chosen_by(counted: Path) -> None:
    done = cnnbench(counted, "choose", "results/extras", "--minimize", "layers@HardSwish")
    assert done.stdout.startswith("Winner: toy://red[width=3]"), done.stderr


def test_without_the_package_its_records_and_suites_are_refused_in_one_line(counted: Path) -> None:
    report = cnnbench(counted, "report", "results/extras", site=None)
    assert report.returncode == 2
    assert "no installed package provides the probe 'layers' of this record" in report.stderr
    run = cnnbench(counted, "run", "extras.yaml", site=None)
    assert run.returncode == 2
    assert "unknown probe 'layers'" in run.stderr
    assert "unknown model 'toy://red'" in run.stderr


@pytest.mark.parametrize("site", [EXTRAS, None])
def test_variables_that_a_runtime_declares_are_part_of_the_environment(
    tmp_path: Path, site: Path | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORED_KERNELS", "fast")
    done = cnnbench(tmp_path, "doctor", "--no-noise", site=site)
    assert done.returncode == 0, done.stderr
    assert ("STORED_KERNELS=fast" in done.stdout) is (site is not None)


@pytest.mark.slow
def test_a_runtime_a_task_a_data_set_and_their_metrics_are_measured(tmp_path: Path) -> None:
    done = cnnbench(tmp_path, "run", suite(tmp_path, f"{MODELS}probes:{MEASURING}"))
    assert done.returncode == 0, done.stderr
    found = rows(tmp_path)
    assert float(found["Tiny"]["latency_location_s@cpu/stored/b1/t1"]) > 0
    label = "shades/scratch/3ep/batch_size=8/learning_rate=0.03"
    assert found["Tiny"][f"top2@{label}"] == "1"
    error = found["Tiny[activation=linear]"]["brightness_mae@shades/scratch/2ep/task=brightness"]
    assert 0 < float(error) < 1
