"""A device for tests: an ``sshd`` on loopback with a user and a Python environment of its own.

That environment has NumPy and LiteRT alone, copied from the one that runs the tests.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pytest

_DISTRIBUTIONS = ("numpy", "ai-edge-litert")
_MODULES = ("numpy", "ai_edge_litert", "flatbuffers")
_USER = f"cnnbench-{os.getpid()}"


@dataclass(frozen=True)
class Board:
    """The device.

    Attributes:
        user: of the session there.
        address: for ``--on``.
        path: a value of ``PATH`` by which ``ssh`` has the keys and known hosts of the tests.
        python: the interpreter there.
    """

    user: str
    address: str
    path: str
    python: Path

    def processes(self) -> list[int]:
        """Return the processes of the user, but for those of ``sshd`` itself."""
        found = subprocess.run(
            ["ps", "-u", self.user, "-o", "pid=,comm="], capture_output=True, text=True
        )
        lines = [line.split() for line in found.stdout.splitlines()]
        return [int(pid) for pid, name, *_ in lines if not name.startswith("sshd")]

    def files(self) -> list[str]:
        """Return the files of the user outside its home folder."""
        owner = ["find", "/tmp", "/var/tmp", "/dev/shm", "-user", self.user]
        return subprocess.run(owner, capture_output=True, text=True).stdout.split()

    def drop_connections(self) -> int:
        """Kill the sessions of the user in ``sshd``; return how many there were."""
        return self._kill("sshd")

    def _kill(self, name: str) -> int:
        found = subprocess.run(
            ["ps", "-u", self.user, "-o", "pid=,comm="], capture_output=True, text=True
        )
        lines = [line.split() for line in found.stdout.splitlines()]
        pids = [int(pid) for pid, comm, *_ in lines if comm.startswith(name)]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        return len(pids)


def missing() -> str:
    """Return why there can be no device here; empty if there can."""
    if shutil.which("ssh") is None or _sshd() is None:
        return "no ssh and sshd: apt-get install openssh-server"
    if os.geteuid() != 0 or shutil.which("useradd") is None:
        return "only root can add a user for the device"
    if _base() is None:
        return "no Python of this version that another user can run: apt-get install python3-venv"
    return ""


@contextlib.contextmanager
def running() -> Iterator[Board]:
    """Start the device, and remove its user and everything else at the end."""
    folder = Path(tempfile.mkdtemp(prefix="loopback-", dir="/tmp"))
    folder.chmod(0o755)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        subprocess.run(["useradd", "--create-home", "--shell", "/bin/sh", _USER], check=True)
        stack.callback(subprocess.run, ["userdel", "--remove", _USER], capture_output=True)
        stack.callback(subprocess.run, ["killall", "-q", "-9", "-u", _USER], capture_output=True)
        subprocess.run(["usermod", "--password", "*", _USER], check=True)  # not locked
        port = _free_port()
        _start(folder, port, stack)
        python = _python(folder, _base() or "")
        address = f"ssh://{_USER}@127.0.0.1:{port}{python}"
        yield Board(_USER, address, f"{folder / 'bin'}:{os.environ['PATH']}", python)


def _start(folder: Path, port: int, stack: contextlib.ExitStack) -> None:
    for name in ("host", "key"):
        key = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(key, check=True)
    shutil.copy(folder / "key.pub", folder / "authorized")
    host = (folder / "host.pub").read_text().split()
    (folder / "known").write_text(f"[127.0.0.1]:{port} {host[0]} {host[1]}\n")
    (folder / "client").write_text(
        f"Host *\n  IdentityFile {folder}/key\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {folder}/known\n  StrictHostKeyChecking yes\n"
    )
    (folder / "bin").mkdir()
    ssh = folder / "bin" / "ssh"
    ssh.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/client "$@"\n')
    ssh.chmod(0o755)
    (folder / "server").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile none\n"
        f"AuthorizedKeysFile {folder}/authorized\nStrictModes no\nUsePAM no\n"
        f"PasswordAuthentication no\nAllowUsers {_USER}\n"
    )
    Path("/run/sshd").mkdir(exist_ok=True)
    command = [str(_sshd()), "-D", "-e", "-f", str(folder / "server")]
    log = stack.enter_context((folder / "log").open("wb"))
    server = subprocess.Popen(command, stderr=log)
    stack.callback(server.wait)
    stack.callback(server.kill)
    for _ in range(600):
        with socket.socket() as end:
            if end.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    pytest.fail(f"sshd does not answer: {(folder / 'log').read_text()}")


def _python(folder: Path, base: str) -> Path:
    """Make the environment of the device, with copies of what it has."""
    home = folder / "env"
    subprocess.run([base, "-m", "venv", "--without-pip", str(home)], check=True)
    site = next(home.glob("lib/python*/site-packages"))
    for module in _MODULES:
        spec = importlib.util.find_spec(module)
        assert spec and spec.origin
        package = Path(spec.origin).parent
        shutil.copytree(package, site / module)
        libraries = package.with_name(f"{module}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, site / libraries.name)
    for name in _DISTRIBUTIONS:
        files = metadata.distribution(name).files or []
        (facts,) = (Path(str(f.locate())) for f in files if f.name == "METADATA")
        shutil.copytree(facts.parent, site / facts.parent.name)
    subprocess.run(["chmod", "-R", "a+rX", str(home)], check=True)
    return home / "bin" / "python"


def _base() -> str | None:
    """Return a Python of the version of the tests that any user can run."""
    version = "{}.{}".format(*sys.version_info)
    return shutil.which(f"python{version}", path="/usr/bin:/usr/local/bin")


def _sshd() -> str | None:
    return shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")


def _free_port() -> int:
    with socket.socket() as end:
        end.bind(("127.0.0.1", 0))
        return int(end.getsockname()[1])
