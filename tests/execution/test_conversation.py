"""Interpretation of a job's messages and of its end by the local executor."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from cnnbench.execution.job import JobRequest
from cnnbench.execution.local.conversation import Conversation, judge

MIB = 2**20


@pytest.fixture
def request_(tmp_path: Path) -> JobRequest:
    return JobRequest(
        id="job", model="Net", search_path=(), probe="memory", setting={}, repeat=0, artifacts="",
        scratch="", log=str(tmp_path / "job.log"), data_dir=None, memory_limit=1000 * MIB,
        timeout_s=60.0,
    )  # fmt: skip


def talk(request: JobRequest, *lines: bytes) -> tuple[Conversation, list[str]]:
    """Return the conversation after these lines, and the reported progress."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"".join(lines))
        theirs.close()
        conversation = Conversation(ours, request)
        return conversation, [event.message for event in conversation.listen(60.0)]


def line(event: str, **content: Any) -> bytes:
    return json.dumps({"event": event, **content}).encode() + b"\n"


def ended(exit_code: int, killed_for: str = "", peak: int = 0) -> bytes:
    return line("ended", exit_code=exit_code, killed_for=killed_for, peak=peak)


def test_passes_on_progress_with_any_text(request_: JobRequest) -> None:
    lines = (line("started", pid=1), line("progress", text="predicted-peak 9\n9"), ended(0))
    conversation, progress = talk(request_, *lines)
    assert progress == ["predicted-peak 9 9"]
    assert conversation.predicted_peak == 0


@pytest.mark.parametrize(
    ("messages", "status", "reason"),
    [
        ([ended(-9)], "failed", "signal 9 (SIGKILL), no result"),
        (
            [line("predicted_peak", bytes=900 * MIB), ended(-9)],
            "oom",
            "out of memory: signal 9 (SIGKILL), predicted to need 900 of 1000 MiB",
        ),
        ([line("predicted_peak", bytes=700 * MIB), ended(-9)], "failed", "signal 9 (SIGKILL)"),
        ([ended(-9, peak=950 * MIB)], "oom", "it used 950 of 1000 MiB"),
        ([ended(7, peak=950 * MIB)], "failed", "exit code 7, no result"),
        ([ended(-9, "printed more than 32 MiB")], "failed", "printed more than 32 MiB"),
        ([b'{"event": "res', b"\nnot JSON\n", b"[1]\n", ended(1)], "failed", "exit code 1"),
        ([line("result", no_such_field=1), ended(0)], "failed", "exit code 0, no result"),
        ([line("result", status="skipped", reason="no GPU"), ended(0)], "skipped", "no GPU"),
    ],
)
def test_the_status_follows_from_the_result_or_the_end_of_the_process(
    request_: JobRequest, messages: list[bytes], status: str, reason: str
) -> None:
    conversation, _ = talk(request_, line("started", pid=1), *messages)
    result = judge(conversation, True, request_, Path("no.log"))
    assert result.status == status
    assert reason in result.reason
