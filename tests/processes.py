"""Find processes, and wait for a condition."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

HANGS_AFTER_S = 1800.0
"""A safety net, so that a test that hangs ends. No test's meaning is in it: a machine that is busy
with other work must not reach it."""


def with_variable(name: str, value: str) -> list[int]:
    """Return the living processes that have the environment variable, including orphans.

    A worker has no command line of its own, and an orphan neither its parent nor its session.
    """
    mark = f"{name}={value}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            is_marked = mark in (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if is_marked and is_alive(int(folder.name)):
            found.append(int(folder.name))
    return found


def children(pid: int) -> list[int]:
    """Return the processes that ``pid`` has started, oldest first."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
        except OSError:
            continue
    return sorted(found)


def is_alive(pid: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def wait_until(condition: Callable[[], bool], seconds: float = HANGS_AFTER_S) -> bool:
    """Wait for ``condition``; return False if it is not met in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
