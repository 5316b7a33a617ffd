"""``cnnbench run`` from the shell, on real networks."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cnnbench.cli import group
from cnnbench.cli import run as cli_run
from cnnbench.errors import UserError
from cnnbench.models import registry
from cnnbench.results import journal, tables
from cnnbench.suite import plan as planning
from cnnbench.suite import suite as suites
from tests.conftest import ROOT
from tests.processes import HANGS_AFTER_S

SUITES = sorted((ROOT / "suites").glob("*.yaml"))
CHATTER = re.compile(r"tensorflow|cuda|oneDNN|XNNPACK|absl|WARNING|INFO:|Traceback", re.IGNORECASE)

SUITE = """
name: tiny
models: [LeNet5, "lenet5[classes=7]"]
probes:
  static: {batch_sizes: [1, 4]}
  memory: {models: [LeNet5], batch_sizes: [4]}
  latency:
    {models: [LeNet5], runtimes: [graph, litert], devices: [cpu, gpu], min_rounds: 1, max_rounds: 1}
  accuracy: {models: [LeNet5], dataset: digits, image_size: 32, epochs: 1, seeds: 2}
limits: {timeout: 30min, memory: 4GiB}
"""


def cnnbench(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line without a GPU."""
    return subprocess.run(
        [sys.executable, "-m", "cnnbench", *arguments],
        cwd=folder, capture_output=True, text=True, timeout=HANGS_AFTER_S,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1", **environment},
    )  # fmt: skip


def invoked(*arguments: str) -> Result:
    """Run the command line in this process, which is faster where nothing is measured."""
    found = CliRunner().invoke(group, arguments, catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return found


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """Run a suite with every probe once."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "tiny.yaml").write_text(SUITE)
    return folder, cnnbench(folder, "run", "tiny.yaml")


@pytest.mark.parametrize("file", SUITES, ids=lambda file: file.stem)
def test_every_packaged_suite_can_be_planned(file: Path) -> None:
    plan = planning.plan(suites.load(file, registry))
    assert plan.cells
    assert plan.suite.name == file.stem


def test_finds_a_packaged_suite_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert suites.load(Path("smoke"), registry).name == "smoke"
    with pytest.raises(UserError, match=r"no suite 'smok' \(did you mean 'smoke'\?\)"):
        suites.load(Path("smok"), registry)
    with pytest.raises(UserError, match=r"no suite 'x' \(a YAML file, or one of: .*smoke"):
        suites.load(Path("x"), registry)
    (tmp_path / "smoke").write_text("name: own")
    with pytest.raises(UserError, match=r"smoke:1.*models"):
        suites.load(Path("smoke"), registry)


def test_the_resume_command_is_the_original_command_quoted_for_the_shell() -> None:
    models = ("MobileNetV2[alpha=0.5]", "own:net[name='a b']")
    words = cli_run._resume_command(
        Path("my suite.yaml"), Path("out put"), models, ("static",), Path("/da ta")
    )
    assert shlex.split(words) == [
        "cnnbench", "run", "my suite.yaml", "--out", "out put", "--only", models[0],
        "--only", models[1], "--probe", "static", "--data-dir", "/da ta",
    ]  # fmt: skip
    plain = cli_run._resume_command(Path("tiny.yaml"), Path("results"), (), (), None)
    assert plain == "cnnbench run tiny.yaml"
    elsewhere = cli_run._resume_command(
        Path("tiny.yaml"), Path("results"), (), (), None, "ray://head"
    )
    assert elsewhere == "cnnbench run tiny.yaml --on ray://head"


def test_table_14_3_has_fifteen_models() -> None:
    plan = planning.plan(suites.load(ROOT / "suites/table_14_3.yaml", registry))
    assert len({cell.model.label for cell in plan.cells}) == 15


def test_run_prints_the_table_and_no_output_of_tensorflow(
    done: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    _, result = done
    assert result.returncode == 0, result.stderr
    assert "LeNet5[classes=7]" in result.stdout
    for words in ("61,706", "Latency p50", "cpu/litert/b1", "digits/scratch/32px"):
        assert words in result.stdout
    assert "skipped: no GPU visible to TensorFlow (LeNet5)" in result.stdout
    own_words = ("Measured here", "no GPU visible")  # these two lines name TensorFlow themselves
    lines = [line for line in result.stdout.splitlines() if not any(w in line for w in own_words)]
    assert not CHATTER.search("\n".join(lines) + result.stderr)
    assert "cnnbench report" in result.stderr


def test_the_run_folder_holds_suite_journal_and_tables(
    done: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, _ = done
    (run,) = (folder / "results" / "tiny").iterdir()
    names = {path.name for path in run.iterdir()}
    assert names >= {
        "suite.yaml", "environment.json", "records.jsonl", "artifacts", "logs",
        "records.csv", "report.csv", "report.md",
    }  # fmt: skip
    assert (run / "suite.yaml").read_text() == SUITE
    header, records = journal.read(run / "records.jsonl")
    environment = json.loads((run / "environment.json").read_text())
    assert header.environment == environment["id"]
    assert {record.environment for record in records} == {environment["id"]}
    ok = [record.key for record in records if record.status == "ok"]
    assert len(ok) == len(set(ok))
    statuses = {(r.probe, r.setting.get("device", ""), r.status) for r in records}
    assert statuses == {
        ("static", "", "ok"), ("memory", "cpu", "ok"), ("latency", "cpu", "ok"),
        ("latency", "gpu", "skipped"), ("accuracy", "", "ok"),
    }  # fmt: skip
    report = tables.load(run).report.set_index("model")
    lenet = report.loc["LeNet5"]
    assert lenet["params"] == 61_706
    assert lenet["macs"] == 416_520
    assert lenet["weight_bytes"] == 4 * 61_706
    assert lenet["latency_p50_s@cpu/graph/b1"] > 0
    assert lenet["latency_location_s_verdict@cpu/graph/b1"].startswith(
        "unstable: 1 of at least 6 processes"
    )
    assert lenet["latency_p50_s_status@gpu/graph/b1"].startswith("skipped")
    assert lenet["memory_infer_peak_bytes@b4"] > 0
    assert 0 <= lenet["top1@digits/scratch/32px/1ep"] <= 1
    assert lenet["top1_samples@digits/scratch/32px/1ep"].count(";") == 1


def test_rerunning_a_complete_run_measures_nothing(
    done: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, first = done
    (run,) = (folder / "results" / "tiny").iterdir()
    before = (run / "records.jsonl").read_bytes()
    again = cnnbench(folder, "run", "tiny.yaml")
    assert again.returncode == 0
    assert again.stdout == first.stdout
    assert (run / "records.jsonl").read_bytes() == before
    assert len(list((folder / "results" / "tiny").iterdir())) == 1


def test_dry_run_lists_all_jobs_and_the_completed_ones(
    done: tuple[Path, subprocess.CompletedProcess[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = done
    monkeypatch.chdir(folder)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    listed = invoked("run", "tiny.yaml", "--dry-run", "--probe", "static")
    assert listed.stdout.splitlines() == [
        "done   LeNet5 static b1",
        "done   LeNet5 static b4",
        "done   LeNet5[classes=7] static b1",
        "done   LeNet5[classes=7] static b4",
        "4 jobs done, 0 to do",
    ]
    fresh = invoked("run", "tiny.yaml", "--dry-run", "--fresh", "--only", "LeNet5")
    assert "to do  LeNet5 latency cpu/litert/b1, prepare" in fresh.stdout.splitlines()
    assert "classes=7" not in fresh.stdout
    again = invoked("run", "tiny.yaml", "--dry-run", "--repeat", "3", "--probe", "static")
    assert "0 jobs done, 4 to do in each of 3 runs" in again.stdout.splitlines()


def test_reports_the_newest_run_of_a_suite(
    done: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, _ = done
    (run,) = (folder / "results" / "tiny").iterdir()
    of_run, of_suite = (invoked("report", str(path)) for path in (run, run.parent))
    assert of_run.stdout == of_suite.stdout


@pytest.mark.parametrize("form", ["text", "md", "csv"])
def test_reports_a_run_folder_and_a_csv_alike(
    done: tuple[Path, subprocess.CompletedProcess[str]], form: str
) -> None:
    folder, _ = done
    (run,) = (folder / "results" / "tiny").iterdir()
    of_run = invoked("report", str(run), "--format", form)
    of_csv = invoked("report", str(run / "report.csv"), "--format", form)
    if form == "csv":
        assert of_run.stdout == of_csv.stdout == (run / "report.csv").read_text()
    assert "LeNet5[classes=7]" in of_csv.stdout


def test_offline_without_data_only_accuracy_is_skipped(
    tmp_path: Path,
) -> None:
    (tmp_path / "s.yaml").write_text(
        "name: s\nmodels: [LeNet5]\n"
        "probes: {static: , accuracy: {dataset: fashion_mnist, image_size: 32, epochs: 1}}\n"
    )
    empty = tmp_path / "empty"
    empty.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as server:
        nobody = f"http://127.0.0.1:{server.getsockname()[1]}"
    result = cnnbench(
        tmp_path, "run", "s.yaml", "--data-dir", str(empty), https_proxy=nobody, http_proxy=nobody
    )
    assert result.returncode == 0
    assert "61,706" in result.stdout
    remark = next(line for line in result.stdout.splitlines() if line.startswith("- Top-1"))
    assert "fashion" in remark.lower()
    assert "put its four files" in remark
    assert str(empty) in remark
