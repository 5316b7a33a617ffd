"""A device behind a command: answers, failures, lost connections, and what is left there."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cnnbench import environment
from cnnbench.errors import JobFailed, Unavailable, UserError
from cnnbench.execution.executor import JobEnded
from cnnbench.execution.job import JobRequest, JobResult
from cnnbench.execution.ssh import script
from cnnbench.execution.ssh.address import command_there
from cnnbench.execution.ssh.connection import BOOTSTRAP, SshDevice
from cnnbench.execution.ssh.executor import SshExecutor
from cnnbench.execution.ssh.there import MARK
from tests.execution.fake import FakeExecutor
from tests.processes import HANGS_AFTER_S


def device(command: str, waits: list[float] | None = None) -> SshDevice:
    waited = [] if waits is None else waits
    return SshDevice("board", ["sh", "-c", command], sleep=waited.append)


def real(variables: str = "") -> SshDevice:
    """Return a device that is a Python of this machine, without anything of cnnbench's path."""
    return device(f"cd /; env -u PYTHONPATH {variables} {command_there(BOOTSTRAP, sys.executable)}")


def prints(answer: str) -> str:
    """Return a command that reads everything and prints an answer."""
    return f"cat >/dev/null & echo {shlex.quote(MARK + answer)}; exec sleep 0.2"


OK = '{"event": "result", "status": "ok", "environment": {"id": "../x", "fingerprint": {}}}'
BARE = {"id": environment.environment_id({}), "fingerprint": {}}


def test_the_script_needs_the_standard_library_and_numpy_alone(tmp_path: Path) -> None:
    file = tmp_path / "sent.py"
    file.write_text(script.text().replace("\nmain()\n", "\nprint(sorted(sys.modules))\n"))
    blocked = f"import sys; sys.modules.update(dict.fromkeys({sorted(_elsewhere())!r}))"
    done = subprocess.run(
        [sys.executable, "-c", f"{blocked}; exec(open({str(file)!r}).read())"],
        cwd="/", env={"PATH": os.environ["PATH"]}, capture_output=True, text=True,
        timeout=HANGS_AFTER_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "'cnnbench.execution.ssh.there'" in done.stdout
    assert not list(tmp_path.glob("__pycache__"))


def _elsewhere() -> set[str]:
    """Return the libraries that a device lacks."""
    return {
        *("tensorflow", "keras", "tf_keras", "pydantic", "pandas", "scipy", "click", "rich"),
        *("yaml", "PIL", "sklearn", "h5py", "jinja2", "altair", "memory_profiler"),
    }


def test_a_device_describes_itself() -> None:
    found = real("OMP_NUM_THREADS=3").describe()
    assert found["name"] == "board"
    assert found["host"] == environment.host_id()
    assert found["fingerprint"]["variables"] == {"OMP_NUM_THREADS": "3"}
    assert found["id"] == environment.environment_id(found["fingerprint"])


def test_what_a_login_shell_prints_is_ignored() -> None:
    assert device(f"echo welcome; echo; {prints(OK)}").describe() == BARE


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        ('"skipped", "reason": "no runtime"', Unavailable, "no runtime"),
        ('"failed", "reason": "broken"', JobFailed, "on the device: broken"),
        ('"oom", "reason": "full"', MemoryError, "out of memory on the device: full"),
    ],
)
def test_a_failure_there_is_the_same_here(answer: str, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        device(prints(f'{{"event": "result", "status": {answer}}}')).do({"do": "x"}, {})


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("echo denied >&2; exit 255", "board: cannot be reached: denied (ssh must reach it"),
        ("exit 127", "board: no Python there: exit code 127 ("),
        ("echo cnnbench needs Python 3.11 >&2; exit 1", "board: no answer from the device: cnnb"),
        ("echo ModuleNotFoundError: No module named numpy >&2; exit 1", "board: NumPy is not inst"),
    ],
)
def test_a_device_that_cannot_measure_says_why_in_one_line(command: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        device(command).describe()
    assert error.value.one_line().startswith(message)


def test_a_task_is_done_again_after_a_dropped_connection(tmp_path: Path) -> None:
    waits: list[float] = []
    messages: list[str] = []
    drops_once = f"if mkdir {tmp_path}/seen; then echo reset >&2; exit 255; fi; {prints(OK)}"
    found = device(drops_once, waits).do({"do": "x"}, {}, messages.append)
    assert found.environment == BARE
    assert waits == [1.0]
    assert messages == ["the connection to board was lost: reset"]


def test_a_connection_that_stays_lost_is_a_failure(tmp_path: Path) -> None:
    waits: list[float] = []
    with pytest.raises(JobFailed, match="the connection to board was lost: gone"):
        device("echo gone >&2; exit 255", waits).do({"do": "x"}, {})
    assert len(waits) == 2


def test_the_process_there_ends_and_removes_its_folder_when_nobody_waits(tmp_path: Path) -> None:
    command = (
        f"cd /; env -u PYTHONPATH TMPDIR={tmp_path} {command_there(BOOTSTRAP, sys.executable)}"
    )
    process = subprocess.Popen(["sh", "-c", command], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    sent = script.text().encode()
    assert process.stdin
    process.stdin.write(b"%d\n%s" % (len(sent), sent))
    process.stdin.write(b'{"files": {"a": 1, "b": 5}, "timeout_s": 60}\nA')
    process.stdin.flush()
    until = time.monotonic() + HANGS_AFTER_S
    while not list(tmp_path.glob("cnnbench-*/a")) and time.monotonic() < until:
        time.sleep(0.05)
    assert list(tmp_path.glob("cnnbench-*/a")), "it works in a folder of its own"
    process.stdin.close()
    assert process.wait(HANGS_AFTER_S) != 0
    assert not list(tmp_path.iterdir())


def test_records_have_the_environment_of_where_they_are_from() -> None:
    there = {"id": "there", "fingerprint": {}}
    answers = {
        "made": JobResult("ok"),
        "measured": JobResult("ok", environment=there),
        "missing": JobResult("skipped", "no such runtime"),
    }
    local = FakeExecutor(lambda request: answers[request.id], host="here")
    with SshExecutor("board", local, lambda: there) as executor:
        assert executor.environment() == there
        found = {}
        for name in answers:
            executor.submit(_request(name))
            for event in executor.events():
                if isinstance(event, JobEnded):
                    found[event.request.id] = event.result.environment["id"]
    here = local.environment()["id"]
    assert found == {"made": here, "measured": "there", "missing": "there"}
    assert {request.device for request in local.requests} == {"board"}


def _request(name: str) -> JobRequest:
    return JobRequest(
        id=name, model="LeNet5", search_path=(), probe="static", setting={}, repeat=0, artifacts="",
        scratch="", log="", data_dir=None, memory_limit=None, timeout_s=60.0,
    )  # fmt: skip
