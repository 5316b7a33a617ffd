"""``examples/ci``: the script in temporary git repositories, and the workflow."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT
from tests.processes import HANGS_AFTER_S

SCRIPT = ROOT / "examples" / "ci" / "benchmark.sh"
WORKFLOW = ROOT / "examples" / "ci" / "benchmark.yml"

NETWORK = """
from tensorflow import keras

def tiny(width={width}):
    return keras.Sequential([
        keras.Input((8, 8, 1)), keras.layers.Conv2D(width, 3), keras.layers.Flatten(),
        keras.layers.Dense(3, "softmax"),
    ])
"""
SUITE = """
name: own
models: ["net.py:tiny"]
probes:
  static: {batch_sizes: [1]}
"""
# A cnnbench that measures nothing: a run is the content of `number`, and exits with `run_code`.
FAKE = r"""#!/usr/bin/env bash
set -euo pipefail
if [[ $1 == run ]]; then
  mkdir -p "$5/own"
  cp number "$5/own/number"
  exit "$(cat run_code 2>/dev/null || echo 0)"
fi
printf '%s -> %s %s\n' "$(cat "$2/number")" "$(cat "$3/number")" "${*:4}"
cmp -s "$2/number" "$3/number"
"""


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


def commit(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    git(folder, "add", "-A")
    git(folder, "commit", "-m", "change")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git repository with one commit, tagged ``base``, and a fake ``cnnbench`` beside it."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet")
    commit(folder, suite__yaml="name: own\n", number="1\n")
    git(folder, "tag", "base")
    tool = tmp_path / "bin" / "cnnbench"
    tool.parent.mkdir()
    tool.write_text(FAKE)
    tool.chmod(0o755)
    return folder


def benchmark(
    folder: Path, *arguments: str, tools: Path | None = None
) -> subprocess.CompletedProcess[str]:
    path = f"{tools or folder.parent / 'bin'}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", str(SCRIPT), *arguments],
        cwd=folder, capture_output=True, text=True, timeout=HANGS_AFTER_S,
        env={
            **os.environ, "PATH": path, "BENCHMARK_OUT": str(folder.parent / "out"),
            "GITHUB_STEP_SUMMARY": str(folder.parent / "summary.md"), "CUDA_VISIBLE_DEVICES": "-1",
        },
    )  # fmt: skip


def test_compares_this_commit_with_the_base_and_adds_a_summary(repository: Path) -> None:
    commit(repository, number="2\n")
    done = benchmark(repository, "suite.yaml", "base", "--require", "macs")
    assert done.returncode == 1, done.stderr
    assert done.stdout == "1 -> 2 --format md --require macs\n"
    assert (repository.parent / "summary.md").read_text() == done.stdout
    assert (repository.parent / "out" / "comparison.md").read_text() == done.stdout
    listed = subprocess.run(
        ["git", "worktree", "list"], cwd=repository, capture_output=True, text=True, check=True
    )
    assert len(listed.stdout.splitlines()) == 1, "the base's checkout is removed"


def test_an_unchanged_commit_passes(repository: Path) -> None:
    done = benchmark(repository, "suite.yaml", "base")
    assert (done.returncode, done.stdout) == (0, "1 -> 1 --format md\n"), done.stderr


def test_compares_with_a_kept_baseline(repository: Path) -> None:
    kept = repository.parent / "kept"
    kept.mkdir()
    (kept / "number").write_text("5\n")
    done = benchmark(repository, "suite.yaml", str(kept))
    assert (done.returncode, done.stdout) == (1, "5 -> 1 --format md\n"), done.stderr


def test_works_in_a_folder_of_the_repository(repository: Path) -> None:
    (repository / "sub folder").mkdir()
    commit(repository, **{"sub folder/suite__yaml": "", "sub folder/number": "1\n"})
    git(repository, "tag", "later")
    commit(repository, **{"sub folder/number": "3\n"})
    tools = repository.parent / "bin"
    done = benchmark(repository / "sub folder", "suite.yaml", "later", tools=tools)
    assert (done.returncode, done.stdout) == (1, "1 -> 3 --format md\n"), done.stderr


def test_a_base_without_the_suite_is_no_regression(repository: Path) -> None:
    commit(repository, new__yaml="name: own\n")
    done = benchmark(repository, "new.yaml", "base")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "The base has no suite new.yaml: nothing was compared.\n"


@pytest.mark.parametrize(("run_code", "compared"), [("1", True), ("2", False), ("130", False)])
def test_a_failed_job_fails_and_a_mistake_ends_the_benchmark(
    repository: Path, run_code: str, compared: bool
) -> None:
    commit(repository, run_code=run_code)
    done = benchmark(repository, "suite.yaml", "base")
    assert (done.returncode, bool(done.stdout)) == (int(run_code), compared), done.stderr


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["suite.yaml"], "usage: benchmark.sh SUITE BASE"),
        (["gone.yaml", "base"], "no suite 'gone.yaml' here"),
        (["suite.yaml", "gone"], "'gone' is no file and no revision"),
    ],
)
def test_mistakes_are_explained(repository: Path, arguments: list[str], complaint: str) -> None:
    done = benchmark(repository, *arguments)
    assert done.returncode == 2
    assert complaint in done.stderr


def test_refuses_to_mix_its_runs_with_those_of_an_earlier_benchmark(repository: Path) -> None:
    assert benchmark(repository, "suite.yaml", "base").returncode == 0
    done = benchmark(repository, "suite.yaml", "base")
    assert done.returncode == 2 and "earlier benchmark" in done.stderr


@pytest.mark.slow
def test_a_wider_network_fails_and_the_same_network_passes(tmp_path: Path) -> None:
    """The real thing: networks are built and counted at both commits."""
    folder, tools = tmp_path / "repository", tmp_path / "bin"
    for one in (folder, tools):
        one.mkdir()
    (tools / "cnnbench").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cnnbench "$@"\n')
    (tools / "cnnbench").chmod(0o755)
    git(folder, "init", "--quiet")
    commit(folder, net__py=NETWORK.format(width=4), own__yaml=SUITE)
    git(folder, "tag", "base")
    commit(folder, net__py=NETWORK.format(width=8))
    worse = benchmark(folder, "own.yaml", "base", "--require", "macs", tools=tools)
    assert worse.returncode == 1, worse.stderr
    # 36 positions × 9 weights × width, and 36 × width × 3 of the dense layer.
    assert "| net:tiny | MACs | 1,728 | 3,456 | 2 | **worse (by +1,728)** |" in worse.stdout

    kept = shutil.move(tmp_path / "out" / "base", tmp_path / "kept")
    shutil.rmtree(tmp_path / "out")
    commit(folder, net__py=NETWORK.format(width=4))
    clean = benchmark(folder, "own.yaml", str(Path(kept) / "own"), "--strict", tools=tools)
    assert clean.returncode == 0, clean.stdout + clean.stderr
    assert clean.stdout.startswith("**No regression: ")


def test_the_script_is_strict_and_has_no_syntax_error() -> None:
    assert "\nset -euo pipefail\n" in SCRIPT.read_text()
    assert os.access(SCRIPT, os.X_OK)
    checked = subprocess.run(["bash", "-n", str(SCRIPT)], capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (0, "")
    if checker := shutil.which("shellcheck"):
        found = subprocess.run([checker, str(SCRIPT)], capture_output=True, text=True)
        assert found.returncode == 0, found.stdout


def test_the_workflow_is_pinned_reads_only_and_needs_no_secret() -> None:
    text = WORKFLOW.read_text()
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {"contents": "read"}
    assert "secrets." not in text
    steps = workflow["jobs"]["compare"]["steps"]
    actions = [step["uses"] for step in steps if "uses" in step]
    assert len(actions) == 3
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", action) for action in actions)
    # An expression in a shell command could run text of the pull request.
    assert not any("${{" in step.get("run", "") for step in steps)
    (command,) = [step["run"] for step in steps if "benchmark.sh" in step.get("run", "")]
    assert command.split()[1] == f"ci/{SCRIPT.name}"
