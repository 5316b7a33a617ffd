"""Faulty models cost one record each and the run continues; tested through the command line."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cnnbench.results import journal
from cnnbench.results.tables import load
from tests import processes
from tests.conftest import ROOT
from tests.processes import HANGS_AFTER_S, wait_until

BAD = Path(__file__).with_name("bad_models.py")
CNNBENCH = [sys.executable, "-m", "cnnbench"]
MARK = "CNNBENCH_TEST_PLACE"

# What the fork server imports instead of TensorFlow, which takes seconds. Its probe only builds.
STAND_IN = """
from cnnbench.probes import static
from cnnbench.probes.interface import ProbeResult

def run(model, setting, context):
    getattr(model.factory.location.load(), model.factory.name)()
    return ProbeResult({"params": 1})

static.run = run
"""


def write_suite(folder: Path, builders: list[str], limits: str = "", light: bool = False) -> Path:
    """Write the suite; ``light`` is for tests that are about processes and need no network."""
    if light:
        (folder / "stand_in").mkdir()
        (folder / "stand_in" / "tensorflow.py").write_text(STAND_IN)
    shutil.copy(BAD, folder / "bad_models.py")
    models = "\n".join(f"  - bad_models:{builder}" for builder in builders)
    suite = folder / "bad.yaml"
    suite.write_text(f"name: bad\nmodels:\n{models}\nprobes: {{static: }}\n{limits}")
    return suite


def run(suite: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CNNBENCH, "run", suite.name, *options],
        cwd=suite.parent, env=environment(suite.parent), capture_output=True, text=True,
        timeout=HANGS_AFTER_S,
    )  # fmt: skip


def start(suite: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*CNNBENCH, "run", suite.name],
        cwd=suite.parent, env=environment(suite.parent), stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def environment(place: Path) -> dict[str, str]:
    """Return the variables of a command in ``place``, with the stand-in if there is one."""
    stand_in = place / "stand_in"
    path = {"PYTHONPATH": os.pathsep.join([str(stand_in), str(ROOT)])} if stand_in.exists() else {}
    return {**marked(place), **path}


def marked(place: Path) -> dict[str, str]:
    """Return environment variables that mark a command and all its child processes."""
    return {**os.environ, MARK: str(place)}


def processes_of(place: Path) -> list[int]:
    """Return the living processes that a command in ``place`` started."""
    return processes.with_variable(MARK, str(place))


def endless_is_built(place: Path) -> Path:
    """Wait until the endless model is being built; return the journal with the earlier jobs."""
    assert wait_until((place / "endless.began").exists)
    return next(place.glob("results/bad/*/records.jsonl"))


@pytest.mark.slow
def test_every_way_a_model_can_fail_becomes_a_record(tmp_path: Path) -> None:
    builders = [
        "good", "segfault", "leave", "system_exit", "fail", "killed", "eat", "starve", "breed",
        "fork_twice", "chatter",
    ]  # fmt: skip
    suite = write_suite(tmp_path, builders, "limits: {timeout: 30min, memory: 2GiB}\n")
    done = run(suite)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    folder = next((tmp_path / "results" / "bad").iterdir())
    records = {r.model.rpartition(":")[2]: r for r in journal.read(folder / "records.jsonl")[1]}
    ways = {name: (r.status, r.reason) for name, r in records.items()}
    assert ways["good"] == ("ok", "")
    assert ways["segfault"] == ("failed", "signal 11 (SIGSEGV), no result")
    assert ways["leave"] == ("failed", "exit code 7, no result")
    assert ways["system_exit"][0] == "failed"
    assert "bye" in ways["system_exit"][1]
    assert ways["fail"][0] == "failed"
    assert "the builder is broken" in ways["fail"][1]
    assert ways["killed"] == ("failed", "signal 9 (SIGKILL), no result")
    assert ways["eat"][0] == "oom"
    assert ways["eat"][1].endswith("(the job's limit is 2GiB)")
    starved = r"out of memory: signal 11 \(SIGSEGV\), it used \d+ of 2048 MiB"
    assert ways["starve"][0] == "oom"
    assert re.match(starved, ways["starve"][1])
    for builder in ("breed", "fork_twice", "chatter"):
        assert ways[builder] == ("ok", ""), builder
    assert not processes_of(tmp_path)
    for reason in ("exit code 7", "the builder is broken"):
        assert reason in done.stdout, "the table says why"
    assert list(load(folder).report["model"]) == [f"bad_models:{b}" for b in builders]
    assert "ValueError" in records["fail"].error
    assert 'File "bad_models.py", line' in records["fail"].error
    assert str(tmp_path) not in records["fail"].error and sys.prefix not in records["fail"].error


def test_kills_a_job_at_its_time_limit_and_continues(tmp_path: Path) -> None:
    """The suite has no other job: on a busy machine any job may exceed the limit."""
    limits = "limits: {timeout: 1s}\n"
    suite = write_suite(tmp_path, ["hang", "hang[classes=3]"], limits, light=True)
    done = run(suite)
    assert done.returncode == 1, done.stderr
    (journal_file,) = tmp_path.glob("results/bad/*/records.jsonl")
    records = journal.read(journal_file)[1]
    assert [(r.status, r.reason) for r in records] == [
        ("timeout", "took longer than the limit of 1 s")
    ] * 2
    assert "took longer than the limit of 1 s" in done.stdout, "the table says why"
    assert not processes_of(tmp_path)


@pytest.mark.slow
def test_a_builder_cannot_affect_other_jobs_or_the_working_directory(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    suite = write_suite(tmp_path, ["wander", "unsettle", "good"], "limits: {timeout: 30min}\n")
    rounds = (
        "{models: ['bad_models:wander', 'bad_models:good'], runtimes: [graph], min_rounds: 1, "
        "max_rounds: 1}"
    )
    suite.write_text(suite.read_text().replace("static: ", f"static: , latency: {rounds}"))
    run(suite)
    folder = next((tmp_path / "results" / "bad").iterdir())
    records = journal.read(folder / "records.jsonl")[1]
    of = {name: [r for r in records if r.model.endswith(name)] for name in ("wander", "good")}
    assert [(r.status, r.reason) for r in of["wander"]] == [("ok", "")] * 3
    assert [(r.status, r.reason) for r in of["good"]] == [("ok", "")] * 3
    assert of["wander"][0].metrics == of["good"][0].metrics
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.slow
def test_stops_a_job_that_prints_without_end(tmp_path: Path) -> None:
    suite = write_suite(tmp_path, ["flood", "flood_unasked", "good"], "limits: {timeout: 30min}\n")
    memory = "{batch_sizes: [1]}"  # which asks for the size of a network that does not say it
    suite.write_text(suite.read_text().replace("static: ", f"static: , memory: {memory}"))
    assert run(suite).returncode == 1
    folder = next((tmp_path / "results" / "bad").iterdir())
    ways = {
        (r.model.rpartition(":")[2], r.probe): r for r in journal.read(folder / "records.jsonl")[1]
    }
    for (builder, _), record in ways.items():
        expected = ("ok", "") if builder == "good" else ("failed", "printed more than 32 MiB")
        assert (record.status, record.reason) == expected
    assert len(ways) == 6
    assert "flood flood" in ways["flood", "static"].error
    assert all(log.stat().st_size <= 32 * 2**20 for log in (folder / "logs").iterdir())
    assert sum(file.stat().st_size for file in folder.rglob("*")) < 200 * 2**20


@pytest.mark.slow
def test_rerunning_repeats_only_failed_jobs(tmp_path: Path) -> None:
    suite = write_suite(tmp_path, ["light", "fail"], light=True)
    assert run(suite).returncode == 1
    module = tmp_path / "bad_models.py"
    again = run(suite)
    assert again.returncode == 1
    folder = next((tmp_path / "results" / "bad").iterdir())
    records = journal.read(folder / "records.jsonl")[1]
    assert [(r.model, r.attempt, r.status) for r in records] == [
        ("bad_models:light", 1, "ok"),
        ("bad_models:fail", 1, "failed"),
        ("bad_models:fail", 2, "failed"),
    ]
    # A changed source is another network: another plan, another run.
    module.write_text(module.read_text().replace('raise ValueError("the builder is broken")',
                                                 "return light(input_shape, classes)"))  # fmt: skip
    mended = run(suite, "--dry-run")
    assert "0 jobs done, 2 to do" in mended.stdout


@pytest.mark.parametrize("victim", ["parent", "server"])
def test_killing_the_parent_or_the_server_leaves_no_process_and_loses_no_record(
    tmp_path: Path, victim: str
) -> None:
    suite = write_suite(tmp_path, ["light", "endless"], "limits: {timeout: 30min}\n", light=True)
    process = start(suite)
    journal_file = endless_is_built(tmp_path)
    assert len(processes_of(tmp_path)) >= 3, "the worker is seen too"
    (server,) = processes.children(process.pid)
    os.kill(process.pid if victim == "parent" else server, signal.SIGKILL)
    process.communicate(timeout=HANGS_AFTER_S)
    assert wait_until(lambda: not processes_of(tmp_path))
    done = run(suite, "--only", "bad_models:light")
    assert done.returncode == 0
    assert "Nothing was left to do" in done.stderr
    records = journal.read(journal_file)[1]
    assert [r.status for r in records if r.model == "bad_models:light"] == ["ok"]
    if victim == "server":
        assert records[-1].reason == "the fork server died"


def test_ctrl_c_ends_at_once_and_shows_the_resume_command(tmp_path: Path) -> None:
    suite = write_suite(tmp_path, ["light", "endless"], "limits: {timeout: 30min}\n", light=True)
    process = start(suite)
    journal_file = endless_is_built(tmp_path)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=HANGS_AFTER_S)
    assert process.returncode == 130
    assert "cnnbench run bad.yaml" in errors
    assert not processes_of(tmp_path)
    assert (journal_file.parent / "report.csv").exists()


def test_two_runs_never_share_a_journal(tmp_path: Path) -> None:
    suite = write_suite(tmp_path, ["endless"], "limits: {timeout: 30min}\n", light=True)
    first = start(suite)
    endless_is_built(tmp_path)
    second = run(suite)
    assert second.returncode == 2
    assert "is running this suite here already" in second.stderr
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=HANGS_AFTER_S)
