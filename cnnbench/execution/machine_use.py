"""Detect other runs that measure on this machine, because concurrent runs distort timings.

Each measuring run listens on an abstract Unix socket whose name identifies the run, and sends its
own name to the runs that already listen; one run at a time also holds the *turn*. The kernel
removes a socket however its process ends, no file is left behind, and ``/proc/net/unix`` lists all
sockets to everybody. Runs in another network namespace (most containers) are not detected, and
none are on systems without abstract sockets.
"""

from __future__ import annotations

import errno
import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from uuid import uuid4

# Runs with different values ignore each other, for example on disjoint sets of cores.
VARIABLE = "CNNBENCH_MACHINE"
_SOCKETS = Path("/proc/net/unix")
_CHARACTER = "[A-Za-z0-9._-]"  # of a part of a name
_LONGEST_NAME, _LONGEST = 107, 32  # bytes of a whole name (the kernel's limit), and of one part


class MachineUse:
    """Runs on one machine, as one of them detects them.

    Attributes:
        problem: why other runs cannot be detected; empty if they can.
    """

    def __init__(self, machine: str | None = None, sockets: Path = _SOCKETS) -> None:
        """Create a view of ``machine``, by default the one that `VARIABLE` names.

        ``sockets`` is the file in which the kernel lists all sockets.
        """
        self._turn = f"cnnbench/{_part(machine or os.environ.get(VARIABLE) or 'here')}"
        # Machine, run, process, and a random part that makes it unique.
        self._name = re.compile(rf"{re.escape(self._turn)}/({_CHARACTER}+)/(\d+)/[0-9a-f]{{8}}")
        self._sockets = sockets
        self._own = ""
        self._socket: socket.socket | None = None
        self._waiting: list[socket.socket] = []
        self.problem = ""

    @contextmanager
    def held(self, run: str, waits: Callable[[str], None] | None = None) -> Iterator[None]:
        """Announce that ``run`` measures on this machine.

        Args:
            run: its name, shown by other runs.
            waits: if given, called with the runs that measure here, before waiting until they have
                ended; by default there is no waiting.
        """
        with ExitStack() as stack:
            try:
                self._enter(stack, run, waits)
            except OSError as error:
                self.problem = error.strerror or str(error)
            try:
                yield
            finally:
                self._socket = None
                for end in self._waiting:
                    end.close()

    def _enter(self, stack: ExitStack, run: str, waits: Callable[[str], None] | None) -> None:
        while (turn := _bound(self._turn)) is None and waits:
            self._wait_for(self._turn, waits)
        if turn:
            stack.enter_context(closing(turn))
        while waits and (names := self._names()):  # runs that did not wait for the turn
            self._wait_for(names[0], waits)
        self._own = f"{self._turn}/{_part(run)}/{os.getpid()}/{uuid4().hex[:8]}"
        self._socket = _bound(self._own)
        if self._socket:
            stack.enter_context(closing(self._socket))
            self._socket.setblocking(False)
        for name in self._names():
            with socket.socket(socket.AF_UNIX) as end, suppress(OSError):  # it has ended since
                end.setblocking(False)
                end.connect(f"\0{name}")
                end.send(self._own.encode())

    def others(self) -> list[str]:
        """Return the other runs here now or since the last call: ``mobile (process 123)``."""
        found = map(self._name.fullmatch, sorted({*self._names(), *self._came()}))
        return [f"{run} (process {pid})" for run, pid in (one.groups() for one in found if one)]

    def _came(self) -> Iterator[str]:
        """Yield the names that other runs have sent; runs that only wait for this one send none."""
        while self._socket:
            try:
                end, _ = self._socket.accept()
            except BlockingIOError:
                return
            end.setblocking(False)
            try:
                yield end.recv(_LONGEST_NAME).decode(errors="replace")
                end.close()
            except BlockingIOError:
                self._waiting.append(end)
            except ConnectionError:
                end.close()

    def _names(self) -> list[str]:
        """Return the socket names of the other runs."""
        if self.problem:
            return []
        lines = self._sockets.read_text(errors="replace").splitlines()
        names = {line.rpartition(" @")[2] for line in lines if f" @{self._turn}/" in line}
        return sorted(filter(self._name.fullmatch, names - {self._own}))

    def _wait_for(self, name: str, waits: Callable[[str], None]) -> None:
        """Sleep until the socket ``name`` is gone."""
        waits(" and ".join(self.others()) or "another run")
        with socket.socket(socket.AF_UNIX) as end, suppress(ConnectionError):
            end.connect(f"\0{name}")
            end.recv(1)  # nothing ever comes, until the other end is closed


def _bound(name: str) -> socket.socket | None:
    """Return an abstract socket of that name; None if another process has it.

    Raises:
        OSError: the system has no abstract sockets.
    """
    end = socket.socket(socket.AF_UNIX)
    try:
        end.bind(f"\0{name}")
        end.listen()
    except OSError as error:
        end.close()
        if error.errno == errno.EADDRINUSE:
            return None
        raise
    return end


def _part(text: str) -> str:
    return re.sub(rf"(?!{_CHARACTER}).", "-", text, flags=re.DOTALL)[:_LONGEST] or "-"
