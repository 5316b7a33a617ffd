"""A package outside cnnbench (``tests/extras``) adds one plugin of each kind and uses it."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

EXTRAS = ROOT / "tests" / "extras"
MODELS = """
models: [Tiny, "Tiny[activation=linear]", "toy://red[width=3]", "Tiny+lamp[units=4]"]
"""
COUNTING = """
  static: {batch_sizes: [1]}
  layers: {layer_types: [Dense, HardSwish]}
"""
COMPRESSING = """
  compression: {models: [Tiny], variants: [rounded-2], min_rounds: 1, max_rounds: 1}
"""
MEASURING = """
  latency: {models: [Tiny], runtimes: [stored], threads: [1], min_rounds: 1, max_rounds: 1}
  accuracy:
  - {models: [Tiny], dataset: shades, epochs: 3, learning_rate: 0.03, batch_size: 8, seeds: 1}
  - models: ["Tiny[activation=linear]", "Tiny+lamp[units=4]"]
    dataset: shades
    task: brightness
    epochs: 2
    seeds: 1
"""


def cnnbench(
    folder: Path, *words: str, site: Path | None = EXTRAS
) -> subprocess.CompletedProcess[str]:
    """Run the command line as a process, with the packages of ``site`` installed."""
    return python(folder, "-m", "cnnbench", *words, site=site)


def python(
    folder: Path, *words: str, site: Path | None = EXTRAS
) -> subprocess.CompletedProcess[str]:
    """Run Python, with the packages of ``site`` installed."""
    path = [str(ROOT), *([str(site)] if site else [])]
    return subprocess.run(
        [sys.executable, *words],
        capture_output=True, text=True, cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path), "CUDA_VISIBLE_DEVICES": "-1"},
    )  # fmt: skip


def suite(folder: Path, text: str) -> str:
    (folder / "extras.yaml").write_text(f"name: extras\n{text}")
    return "extras.yaml"


def rows(folder: Path) -> dict[str, dict[str, str]]:
    """Return the report of the suite: model -> column -> cell."""
    (report,) = folder.glob("results/extras/*/report.csv")
    with report.open(newline="") as lines:
        return {row["model"]: row for row in csv.DictReader(lines)}


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a run of the outside probe on outside models and executor."""
    folder = tmp_path_factory.mktemp("extras")
    text = f"{MODELS}probes:{COUNTING}"
    done = cnnbench(folder, "run", suite(folder, text), "--on", "threads://a,b")
    assert done.returncode == 0, done.stderr
    assert "Layers" in done.stdout
    return folder


@pytest.mark.slow
def test_a_report_shows_models_and_a_probe_of_another_package(counted: Path) -> None:
    found = rows(counted)
    names = ["Tiny", "Tiny[activation=linear]", "toy://red[width=3]", "Tiny+lamp[units=4]"]
    assert list(found) == names
    assert [row["layers@Dense"] for row in found.values()] == ["1", "1", "1", "2"]
    assert found["Tiny"]["params"] == str((9 * 8 + 8) + (8 * 2 + 2))
    assert found["toy://red[width=3]"]["params"] == str((9 * 3 + 3) + (3 * 10 + 10))
    dense = (8 * 4 + 4) + (4 * 1 + 1)
    assert found["Tiny+lamp[units=4]"]["params"] == str((9 * 8 + 8) + dense)


def test_a_head_is_listed_and_its_source_is_part_of_the_models_identity(counted: Path) -> None:
    listed = cnnbench(counted, "models", "--task", "brightness")
    assert "+lamp  brightness  the brightness of the image" in listed.stdout, listed.stderr
    code = "from cnnbench.models import registry as r; print(*r.resolve('Tiny+lamp').identity())"
    done = python(counted, "-c", code)
    assert done.stdout.split()[-2:] == ["backbone", "head_sha256"], done.stderr


def test_the_executor_describes_where_each_job_ran(counted: Path) -> None:
    files = counted.glob("results/extras/*/environment*.json")
    hosts = {json.loads(file.read_text())["fingerprint"]["host"] for file in files}
    assert hosts == {"a", "b"}


@pytest.mark.slow
def test_a_task_s_own_metric_is_the_axis_of_the_chart_and_the_page_names_its_best(
    tmp_path: Path,
) -> None:
    table = "model,variant,brightness_mae@shades/scratch,macs\nA,float32,0.2,10\nB,float32,0.1,20\n"
    (tmp_path / "report.csv").write_text(table)
    done = cnnbench(tmp_path, "report", "report.csv", "--svg", "-", "--html", "page.html")
    assert "↑ Brightness error shades/scratch" in done.stdout
    assert '"glance": [["Best brightness error", ' in (tmp_path / "page.html").read_text()


@pytest.mark.slow
def test_a_counting_rule_replaces_tracing(counted: Path) -> None:
    done = cnnbench(counted, "inspect", "Tiny", "--json")
    (row,) = (row for row in json.loads(done.stdout)["layers"] if row["type"] == "HardSwish")
    assert row["flops"] == 6 * 6 * 8  # four times as many if traced


def test_a_format_writes_the_report(counted: Path) -> None:
    done = cnnbench(counted, "report", "results/extras", "--format", "names")
    names = ["Tiny", "Tiny[activation=linear]", "toy://red[width=3]", "Tiny+lamp[units=4]"]
    assert done.stdout.splitlines() == names, done.stderr


@pytest.mark.slow
def test_a_subcommand_is_listed_in_the_help_and_runs(counted: Path) -> None:
    done = cnnbench(counted, "largest", "Tiny")
    assert done.stdout == f"conv2d: {6 * 6 * 8 * 9:,} MACs\n", done.stderr
    shown = cnnbench(counted, "--help")
    assert re.search(r"largest +Print the layer of MODEL with the most MACs\.\n", shown.stdout)
    refused = cnnbench(counted, "largest", "Tini")
    assert refused.returncode == 2
    assert "unknown model 'Tini' (did you mean 'Tiny'?)" in refused.stderr


def test_a_probe_fills_columns_that_can_be_chosen_by(counted: Path) -> None:
    done = cnnbench(counted, "choose", "results/extras", "--minimize", "layers@HardSwish")
    assert done.stdout.startswith("Winner: toy://red[width=3]"), done.stderr


@pytest.mark.slow
def test_without_the_package_its_records_and_suites_are_refused_in_one_line(counted: Path) -> None:
    report = cnnbench(counted, "report", "results/extras", site=None)
    assert report.returncode == 2
    assert "no installed package provides the probe 'layers' of this record" in report.stderr
    run = cnnbench(counted, "run", "extras.yaml", site=None)
    assert run.returncode == 2
    assert "unknown probe 'layers'" in run.stderr
    assert "unknown model 'toy://red'" in run.stderr
    subcommand = cnnbench(counted, "largest", "LeNet5", site=None)
    assert subcommand.returncode == 2
    assert "unknown command 'largest'" in subcommand.stderr


def test_a_variant_with_an_impossible_amount_is_refused(tmp_path: Path) -> None:
    text = "models: [Tiny]\nprobes:" + COMPRESSING.replace("rounded-2", "rounded-40")
    done = cnnbench(tmp_path, "run", suite(tmp_path, text), "--dry-run")
    assert done.returncode == 2
    assert "40 binary places are out of range (0 to 16)" in done.stderr


@pytest.mark.slow
def test_a_compression_step_makes_a_variant_that_is_measured(tmp_path: Path) -> None:
    text = f"models: [Tiny]\nprobes:{COMPRESSING}"
    done = cnnbench(tmp_path, "run", suite(tmp_path, text))
    assert done.returncode == 0, done.stderr
    (report,) = tmp_path.glob("results/extras/*/report.csv")
    with report.open(newline="") as lines:
        original, rounded = csv.DictReader(lines)
    assert (original["variant"], rounded["variant"]) == ("float32", "rounded-2")
    assert rounded["coverage_macs"] == rounded["coverage_params"] == "1"
    assert int(rounded["distinct_weights"]) < int(original["distinct_weights"])
    assert float(rounded["latency_location_s@cpu/litert/b1"]) > 0


def test_variables_that_a_runtime_declares_are_part_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORED_KERNELS", "fast")
    done = cnnbench(tmp_path, "doctor", "--no-noise", "--no-peaks")
    assert done.returncode == 0, done.stderr
    assert "STORED_KERNELS=fast" in done.stdout
    code = "from cnnbench import environment; print(environment.fingerprint())"
    without = python(tmp_path, "-c", code, site=None)
    assert without.returncode == 0 and "STORED_KERNELS" not in without.stdout, without.stderr


@pytest.mark.slow
def test_a_runtime_a_task_a_data_set_and_their_metrics_are_measured(tmp_path: Path) -> None:
    done = cnnbench(tmp_path, "run", suite(tmp_path, f"{MODELS}probes:{MEASURING}"))
    assert done.returncode == 0, done.stderr
    found = rows(tmp_path)
    assert float(found["Tiny"]["latency_location_s@cpu/stored/b1/t1"]) > 0
    label = "shades/scratch/3ep/batch_size=8/learning_rate=0.03"
    assert found["Tiny"][f"top2@{label}"] == "1"
    for name in ("Tiny[activation=linear]", "Tiny+lamp[units=4]"):
        error = found[name]["brightness_mae@shades/scratch/2ep/task=brightness"]
        assert 0 < float(error) < 1
