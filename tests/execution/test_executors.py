"""Executors by name: the built-in one, and one of another package, driven from the shell."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cnnbench.errors import UserError
from cnnbench.execution import executor as executors
from cnnbench.execution.executor import EXECUTORS, JobEnded, JobProgress, JobStarted
from cnnbench.execution.job import JobRequest
from cnnbench.execution.local.executor import LocalExecutor
from cnnbench.probes.static import StaticSetting
from cnnbench.results import journal
from tests import processes
from tests.chaos.harness import STAND_IN
from tests.conftest import ROOT
from tests.test_extras import cnnbench

SUITE = "name: tiny\nmodels: [LeNet5, BasicCNN]\nprobes: {static: {batch_sizes: [1, 2]}}\n"


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "tiny.yaml").write_text(SUITE)
    return cnnbench(folder, "run", "tiny.yaml", *options)


@pytest.mark.slow
def test_the_executor_of_another_package_runs_a_suite_from_the_command_line(
    tmp_path: Path,
) -> None:
    done = run(tmp_path, "--on", "threads://a,b")
    assert done.returncode == 0, done.stderr
    assert "61,706" in done.stdout
    (folder,) = (tmp_path / "results" / "tiny").iterdir()
    header, records = journal.read(folder / journal.FILE_NAME)
    assert [record.status for record in records] == ["ok"] * 4
    hosts = {}
    for file in folder.glob("environment*.json"):
        facts = json.loads(file.read_text())
        hosts[facts["id"]] = facts["fingerprint"]["host"]
    assert hosts[header.environment] == "a"
    assert {hosts[record.environment] for record in records} == {"a", "b"}, "cells alternate"
    again = run(tmp_path, "--on", "threads://a,b")
    assert "Nothing was left to do" in again.stderr
    assert "4 jobs done, 0 to do" in run(tmp_path, "--on", "threads://a,b", "--dry-run").stdout
    assert "0 jobs done, 4 to do" in run(tmp_path, "--dry-run").stdout, "this machine is another"


def test_an_unknown_executor_suggests_the_nearest_in_one_line(tmp_path: Path) -> None:
    done = run(tmp_path, "--on", "thread")
    assert done.returncode == 2
    words = "--on: unknown executor 'thread' (did you mean 'threads'?)"
    assert done.stderr == f"cnnbench: {words}\n"


def test_the_local_executor_is_built_in_and_takes_no_address() -> None:
    assert EXECUTORS.is_built_in("local")
    assert isinstance(executors.find(), LocalExecutor)
    with pytest.raises(UserError, match="'local' takes no address"):
        executors.find("local://here")


def _request(folder: Path, name: str, model: str = "LeNet5", **changed: Any) -> JobRequest:
    request = JobRequest(
        id=name, model=model, search_path=(), probe="static",
        setting=StaticSetting().model_dump(mode="json"), repeat=0, artifacts=str(folder),
        scratch=str(folder), log=str(folder / f"{name}.log"), data_dir=None, memory_limit=None,
        timeout_s=1800.0,
    )  # fmt: skip
    return replace(request, **changed)


def test_the_local_executor_reports_start_progress_and_end_of_every_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(STAND_IN), str(ROOT)]))
    monkeypatch.delenv("TF_USE_LEGACY_KERAS", raising=False)
    before = set(processes.children(os.getpid()))  # of earlier tests in this process

    def servers() -> set[int]:
        return set(processes.children(os.getpid())) - before

    with LocalExecutor() as executor:
        executor.submit(_request(tmp_path, "good"))
        executor.submit(_request(tmp_path, "bad", model="NoSuchNet"))
        events = []
        for event in executor.events():
            events.append((event.request.id, type(event)))
            if isinstance(event, JobEnded):
                assert event.result.environment == executor.environment()
                ways = {"good": ("ok", False), "bad": ("failed", True), "elsewhere": ("ok", False)}
                found = (event.result.status, event.result.is_user_error)
                assert found == ways[event.request.id], event.result
                server = servers()
                if event.request.id == "bad":  # a job may be submitted between two events
                    executor.submit(_request(tmp_path, "elsewhere", data_dir=str(tmp_path)))
                    first = server
        assert events == [
            ("good", JobStarted), ("good", JobProgress), ("good", JobEnded),
            ("bad", JobStarted), ("bad", JobEnded),
            ("elsewhere", JobStarted), ("elsewhere", JobProgress), ("elsewhere", JobEnded),
        ]  # fmt: skip
        assert server != first, "Keras reads its data folder only when it is imported"
        assert list(executor.events()) == []
    assert not servers()
