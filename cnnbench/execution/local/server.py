"""Fork server: imports TensorFlow once, then forks a worker for every request it reads.

Started as ``python -m cnnbench.execution.local.server FD`` with one end of a socket pair, which
carries requests in and messages of the worker out, one line of JSON each. After a worker has ended,
the server kills every process that it left behind, and reports how it ended.

The fork server of `multiprocessing` is not used because its workers keep it alive after the parent
was killed, it has no control over what a worker forks, and it imports the parent's ``__main__``.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
from pathlib import Path
from typing import NoReturn

from cnnbench.analysis.keras_settings import use_standard_keras
from cnnbench.execution.local.output import MOST_BYTES, Output

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

# This imports Keras 3 with TensorFlow, but does not touch `tf.keras`: a worker still chooses its
# Keras version and its thread counts.
PRELOAD = (
    "numpy",
    "tensorflow",
    "cnnbench.execution.worker",
    "cnnbench.models.registry",
)


def prctl(option: int, value: int) -> None:
    """Call Linux's ``prctl``; elsewhere do nothing, and contain jobs by process group only."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when ``parent``, which forked it, ends."""
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before prctl was called
        os._exit(1)


def serve(channel: socket.socket) -> None:
    """Take requests from ``channel`` until it is closed."""
    woken, wake = os.pipe()
    for descriptor in (woken, wake):
        os.set_blocking(descriptor, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    requests = channel.makefile("rb")
    while line := requests.readline():
        server = os.getpid()
        output = Output(Path(json.loads(line)["log"]))
        pid = os.fork()
        if pid == 0:
            _work(line.decode(), server, channel, output, woken, wake)
        exit_code, peak = _wait(pid, channel, output, woken)
        _kill_children()
        output.close()
        too_much = f"printed more than {MOST_BYTES // 2**20} MiB" if output.is_too_much else ""
        ended = {"event": "ended", "exit_code": exit_code, "killed_for": too_much, "peak": peak}
        # A worker killed while it wrote leaves half a line: begin a new one.
        channel.sendall(b"\n" + json.dumps(ended).encode() + b"\n")


def _work(
    request: str, server: int, channel: socket.socket, output: Output, woken: int, wake: int
) -> NoReturn:
    from cnnbench.execution import worker

    output.redirect()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.close(woken)
    os.close(wake)
    os.setsid()
    die_with_parent(server)
    worker.main(request, channel)


def _wait(pid: int, channel: socket.socket, output: Output, woken: int) -> tuple[int, int]:
    """Wait for the worker while moving its output to the log; kill it if that is too much.

    If the parent ends first, kill everything and end.

    Returns:
        Exit code, and peak memory in bytes.
    """
    while True:
        ended, status, used = os.wait4(pid, os.WNOHANG)
        if ended:
            unit = 1 if sys.platform == "darwin" else 1024
            return os.waitstatus_to_exitcode(status), used.ru_maxrss * unit
        ready, _, _ = select.select([channel.fileno(), output.fileno(), woken], [], [])
        if woken in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(woken, 4096)
        if output.fileno() in ready and output.pass_on() and output.is_too_much:
            os.kill(pid, signal.SIGKILL)
        if channel.fileno() in ready:
            _kill_children()
            os._exit(0)


def _kill_children() -> None:
    """Kill and reap every descendant: orphans become children of the server, a subreaper."""
    while children := _children():
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in children:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _children() -> list[int]:
    mine = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            # pid (name with spaces) state ppid ...
            if int(stat.read_text(errors="replace").rpartition(")")[2].split()[1]) == os.getpid():
                mine.append(int(stat.parent.name))
    return mine


def main() -> None:
    """Run the server process; its stdout and stderr already go to its log."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    prctl(_PR_SET_CHILD_SUBREAPER, 1)
    # During imports it cannot notice that the parent has ended, so the kernel kills it then. Later
    # the server must outlive the parent for a moment, to kill what its worker has forked.
    die_with_parent(os.getppid())
    gc.disable()  # as in `cnnbench.cli`, but workers collect garbage as Python does by default
    for module in PRELOAD:
        importlib.import_module(module)
    if "TF_USE_LEGACY_KERAS" in os.environ:
        importlib.import_module("tf_keras")
    for name in {"keras", "tf_keras"} & sys.modules.keys():  # Keras 3 comes with TensorFlow
        use_standard_keras(sys.modules[name])
    gc.collect()
    gc.enable()
    prctl(_PR_SET_PDEATHSIG, 0)
    serve(channel)


if __name__ == "__main__":
    main()
