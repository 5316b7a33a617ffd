"""Run the command line in this process, with limits on time and memory."""

from __future__ import annotations

import contextlib
import io
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click

from cnnbench.cli import group
from cnnbench.errors import CnnbenchError
from tests.processes import HANGS_AFTER_S

HANGS_AFTER_CPU_S = 60  # an input takes a hundredth of a second
MOST_BYTES = 2**30


def survives(*arguments: str) -> None:
    """Run a command, which may succeed or end with a clear error; raise otherwise."""
    shown, said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(said), bounded():
        try:
            group.main(list(arguments), prog_name="cnnbench", standalone_mode=False)
        except click.ClickException as error:
            assert error.format_message().strip()
        except CnnbenchError as error:
            assert str(error).strip()
            assert len(str(error)) < 100_000, "an error longer than anybody reads"


@contextmanager
def bounded() -> Iterator[None]:
    """Raise if the body takes too long or uses too much memory."""

    def hangs(_signal: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"hangs: over {HANGS_AFTER_CPU_S} s of the CPU's or {HANGS_AFTER_S} s")

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    signals = (signal.SIGALRM, signal.SIGPROF)
    earlier = [signal.signal(one, hangs) for one in signals]
    signal.alarm(int(HANGS_AFTER_S))
    signal.setitimer(signal.ITIMER_PROF, HANGS_AFTER_CPU_S)
    resource.setrlimit(resource.RLIMIT_DATA, (_data_bytes() + MOST_BYTES, hard))
    try:
        yield
    finally:
        signal.alarm(0)
        signal.setitimer(signal.ITIMER_PROF, 0)
        for one, handler in zip(signals, earlier, strict=True):
            signal.signal(one, handler)
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _data_bytes() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    words = next(line for line in lines if line.startswith("VmData:")).split()
    return int(words[1]) * 2**10
