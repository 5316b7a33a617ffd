"""A package outside cnnbench adds one of everything, and a suite uses it (``tests/extras``)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

EXTRAS = ROOT / "tests" / "extras"


def cnnbench(folder: Path, *words: str, installed: bool = True) -> subprocess.CompletedProcess[str]:
    """The command line as a process, with the package of extras installed or not."""
    path = [str(ROOT), *([str(EXTRAS)] if installed else [])]
    return subprocess.run(
        [sys.executable, "-m", "cnnbench", *words],
        capture_output=True, text=True, cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path), "CUDA_VISIBLE_DEVICES": "-1"},
    )  # fmt: skip


def suite(folder: Path, text: str) -> str:
    (folder / "extras.yaml").write_text(f"name: extras\n{text}")
    return "extras.yaml"


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the outside probe ran."""
    folder = tmp_path_factory.mktemp("extras")
    text = "models: [LeNet5]\nprobes:\n  layers: {layer_types: [Conv2D, Dense]}\n"
    done = cnnbench(folder, "run", suite(folder, text))
    assert done.returncode == 0, done.stderr
    assert "Layers" in done.stdout
    return folder


def test_a_probe_fills_columns_that_can_be_chosen_by(counted: Path) -> None:
    (report,) = counted.glob("results/extras/*/report.csv")
    names, row = (line.split(",") for line in report.read_text().splitlines()[:2])
    assert dict(zip(names, row, strict=True))["layers@Conv2D"] == "3"
    done = cnnbench(counted, "choose", "results/extras", "--minimize", "layers@Dense")
    assert done.stdout.startswith("Winner: LeNet5"), done.stderr


def test_without_the_package_its_records_and_suites_are_refused_in_one_line(counted: Path) -> None:
    report = cnnbench(counted, "report", "results/extras", installed=False)
    assert report.returncode == 2
    assert "no installed package provides the probe 'layers' of this record" in report.stderr
    run = cnnbench(counted, "run", "extras.yaml", installed=False)
    assert run.returncode == 2
    assert "unknown probe 'layers'" in run.stderr
