"""A Ray cluster on this machine, each node with its own daemon; and its processes."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path
from typing import Self

from tests import processes
from tests.chaos.harness import STAND_IN
from tests.conftest import ROOT

TOKEN = "CNNBENCH_CLUSTER"
_SERVER = b"cnnbench.execution.local.server"
_STORE_BYTES = 80_000_000
_START_S = 600.0


class Nodes:
    """A head, to which commands connect, and nodes that measure. All end with the ``with`` block.

    Each has an address of its own, as machines have.
    """

    def __init__(self, *names: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"127.0.0.1:{port}"
        self.token = uuid.uuid4().hex
        # Short, as paths of sockets are.
        self._folder = Path(tempfile.mkdtemp(prefix="ray"))
        self._names = names
        self._places = {name: f"127.0.0.{place}" for place, name in enumerate(names, start=2)}
        self.variables = {
            TOKEN: self.token,
            "PYTHONPATH": os.pathsep.join([str(STAND_IN), str(ROOT)]),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_worker_niceness": "0",
            "TMPDIR": str(self._folder),
        }

    def __enter__(self) -> Self:
        try:
            self.start()
            for name in self._names:
                self.start(name)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        while found := self.all():
            for pid in found:
                _kill(pid)
            processes.wait_until(lambda found=found: not any(map(processes.is_alive, found)))
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self, name: str = "") -> None:
        """Start a node that offers itself for measuring; without a name the head."""
        _, _, port = self.address.partition(":")
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--num-cpus=1"]
        command += [f"--object-store-memory={_STORE_BYTES}", "--disable-usage-stats"]
        if name:
            command += [f"--address={self.address}", f"--node-ip-address={self._places[name]}"]
            command += ['--resources={"bench": 1}']
        else:
            command += ["--head", f"--port={port}", "--node-ip-address=127.0.0.1"]
            command += ["--include-dashboard=false", f"--temp-dir={self._folder}"]
        environment = {**os.environ, **self.variables, "CNNBENCH_MACHINE": self.machine(name)}
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=_START_S
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def all(self) -> list[int]:
        """Return all processes of the cluster and of the commands that use it."""
        return processes.with_variable(TOKEN, self.token)

    def of(self, victim: str) -> list[int]:
        """Return the processes of one kind: ``worker`` of Ray that runs a job, or ``server``."""
        found = {pid: _command(pid) for pid in self.all()}
        if victim == "server":
            return [pid for pid, words in found.items() if _SERVER in words]
        return [pid for pid, words in found.items() if words.startswith(b"ray::perform")]

    def kill_node(self, name: str) -> None:
        """Kill the daemon of a node, as when its machine is lost."""
        for pid in processes.with_variable("CNNBENCH_MACHINE", self.machine(name)):
            if b"raylet/raylet" in _command(pid):
                _kill(pid)

    def machine(self, name: str) -> str:
        """Return what tells a node from others on this machine, also those of other clusters."""
        return f"{self.token[:8]}-{name}"

    def names(self) -> list[str]:
        """Return the nodes that run a job now."""
        machines = {self.machine(name): name for name in self._names}
        servers = set(self.of("server"))
        return [
            name
            for machine, name in machines.items()
            if servers & set(processes.with_variable("CNNBENCH_MACHINE", machine))
        ]


def _command(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def kill_one(pids: list[int]) -> bool:
    """Kill the first of these processes; return False if there is none."""
    for pid in pids:
        _kill(pid)
        return True
    return False
