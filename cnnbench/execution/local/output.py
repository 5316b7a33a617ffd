"""What a worker prints, on its way into the log: so much and no more.

Through a pipe that the fork server empties, as a limit on the size of files would hit what a job
rightly writes, and a look at the log now and then would disturb what is timed.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

MOST_BYTES = 32 * 2**20


class Output:
    """The output of one worker and of everything that it starts."""

    def __init__(self, log: Path) -> None:
        # The server keeps its own writing end, so that it never meets an end of the pipe.
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        self._log, self._left = log, MOST_BYTES
        self._write(b"")  # every job has a log

    def fileno(self) -> int:
        """The end of the pipe that is ready to be read when something was printed."""
        return self._reader

    @property
    def is_too_much(self) -> bool:
        """Whether more was printed than the log may hold."""
        return self._left < 0

    def redirect(self) -> None:
        """In the worker: from here on its stdout and stderr."""
        os.dup2(self._writer, 1)
        os.dup2(self._writer, 2)
        os.close(self._reader)
        os.close(self._writer)

    def pass_on(self) -> bool:
        """Put a piece of what was printed into the log; False where nothing is left to put."""
        try:
            data = os.read(self._reader, 2**16)
        except BlockingIOError:
            return False
        self._write(data[: max(0, self._left)])
        self._left -= len(data)
        return True

    def close(self) -> None:
        """Put what is left into the log, also where somebody is printing still."""
        while not self.is_too_much and self.pass_on():
            pass
        os.close(self._reader)
        os.close(self._writer)

    def _write(self, data: bytes) -> None:
        # A full disk takes no log; the job may go on.
        with contextlib.suppress(OSError), self._log.open("ab") as log:
            log.write(data)
