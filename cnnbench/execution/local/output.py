"""Output of a worker, through a pipe into its log, up to a limit.

The fork server empties the pipe. A limit on file sizes would also limit the files that a job
rightly writes, and checking the log regularly would disturb timings.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

MOST_BYTES = 32 * 2**20


class Output:
    """The output of one worker and of everything that it starts; ``log`` gets ``most_bytes``."""

    def __init__(self, log: Path, most_bytes: int = MOST_BYTES) -> None:
        # The server keeps its own writing end, so that it never meets an end of the pipe.
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        self._log, self._left = log, most_bytes
        self._write(b"")  # every job has a log

    def fileno(self) -> int:
        """Return the end of the pipe that is readable when something was printed."""
        return self._reader

    @property
    def is_too_much(self) -> bool:
        """Return whether more was printed than the log may hold."""
        return self._left < 0

    def redirect(self) -> None:
        """Make this the stdout and stderr of the worker; call it there."""
        os.dup2(self._writer, 1)
        os.dup2(self._writer, 2)
        os.close(self._reader)
        os.close(self._writer)

    def pass_on(self) -> bool:
        """Move a piece of the output into the log; return False if there is none."""
        try:
            data = os.read(self._reader, 2**16)
        except BlockingIOError:
            return False
        self._write(data[: max(0, self._left)])
        self._left -= len(data)
        return True

    def close(self) -> None:
        """Move the rest into the log, even if a process is still printing."""
        while not self.is_too_much and self.pass_on():
            pass
        os.close(self._reader)
        os.close(self._writer)

    def _write(self, data: bytes) -> None:
        # On a full disk there is no log; the job continues.
        with contextlib.suppress(OSError), self._log.open("ab") as log:
            log.write(data)
