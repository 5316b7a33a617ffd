"""External faults: each is injected into a running command and then removed."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.chaos.harness import Command, Victim, Workplace

_ANY = frozenset({0, 1, 2, 130})
_CLOCK = Path(__file__).with_name("clock.c")


@dataclass
class Fault:
    """One fault.

    Attributes:
        name: shown in the summary.
        strike: injects the fault; returns False if there was nothing to affect.
        mend: removes the fault before the command is rerun.
        arrange: prepares the workplace before the command is started.
        codes: the exit codes that the struck command may end with.
        leaves_words: whether the command can still say what went wrong.
    """

    name: str
    strike: Callable[[Command], bool]
    mend: Callable[[Workplace], None] = lambda workplace: None
    arrange: Callable[[Workplace], None] = lambda workplace: None
    codes: frozenset[int] = field(default=_ANY)
    leaves_words: bool = True


def kill(victim: Victim, signals: tuple[signal.Signals, ...]) -> Fault:
    """Send signals to one process in quick succession."""

    def strike(command: Command) -> bool:
        pid = command.wait_for(victim)
        with contextlib.suppress(ProcessLookupError):
            for one in signals:
                os.kill(pid or 0, one) if pid else None
            return pid is not None
        return False

    words = "+".join(one.name for one in signals)
    killed = {-int(one) for one in signals} if victim == "parent" else set()
    return Fault(f"{words} to the {victim}", strike, codes=_ANY | killed)


def ctrl_c() -> Fault:
    """Send SIGINT to the whole foreground group, as a terminal does."""

    def strike(command: Command) -> bool:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(command.process.pid, signal.SIGINT)
            return not command.is_over()
        return False

    return Fault("Ctrl-C", strike, codes=_ANY | {-int(signal.SIGINT)})


def out_of_memory(victim: Victim) -> Fault:
    """Refuse all further allocations of the process."""

    def strike(command: Command) -> bool:
        pid = command.wait_for(victim)
        if pid is None:
            return False
        with contextlib.suppress(ProcessLookupError, OSError):
            resource.prlimit(pid, resource.RLIMIT_AS, (2**20, 2**20))
            return True
        return False

    # Without memory, Python may end by a signal, or with exit code 127 of the C library. SIGTRAP
    # comes from V8, in which the parent makes the page.
    deaths = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGKILL, signal.SIGTRAP)
    killed = {-int(one) for one in deaths}
    is_parent = victim == "parent"
    return Fault(
        f"no memory for the {victim}",
        strike,
        codes=_ANY | killed | {127},
        leaves_words=not is_parent,
    )


def full_disk() -> Fault:
    """Fill the file system of the results folder completely."""

    def strike(command: Command) -> bool:
        ballast = command.workplace.results / "ballast"
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            for size in (2**16, 2**12, 1):
                with contextlib.suppress(OSError):
                    while file.write(b"\0" * size):
                        pass
        return not command.is_over()

    def mend(workplace: Workplace) -> None:
        (workplace.results / "ballast").unlink(missing_ok=True)

    return Fault("disk full", strike, mend)


def read_only() -> Fault:
    """Make the results folder read-only while the command runs."""

    def shadow(workplace: Workplace) -> str:
        return str(workplace.folder / "shadow")

    def arrange(workplace: Workplace) -> None:
        """Prepare a read-only mount of the folder, which is put over it in one step."""
        Path(shadow(workplace)).mkdir(exist_ok=True)
        _mount("--bind", str(workplace.results), shadow(workplace))
        _mount("-o", "remount,bind,ro", shadow(workplace))

    def strike(command: Command) -> bool:
        _mount("--bind", shadow(command.workplace), str(command.workplace.results))
        return not command.is_over()

    def mend(workplace: Workplace) -> None:
        for folder in (str(workplace.results), shadow(workplace)):
            subprocess.run(["umount", folder], check=True)

    return Fault("results folder read-only", strike, mend, arrange)


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


def clock_jump(clock: Path, rng: random.Random) -> Fault:
    """Move the wall clock by minutes to years, in either direction."""
    jump = rng.choice([-1, 1]) * 10 ** rng.uniform(2, 8.5)

    def arrange(workplace: Workplace) -> None:
        file = workplace.folder / "clock"
        file.write_text("0")
        workplace.variables |= {**preloaded(clock), "CHAOS_CLOCK": str(file)}

    def strike(command: Command) -> bool:
        (command.workplace.folder / "clock").write_text(f"{jump:.0f}")
        return not command.is_over()

    return Fault("clock jump", strike, arrange=arrange, codes=frozenset({0}))


def second_run(options: tuple[str, ...]) -> Fault:
    """Start the same command again: it is rejected, or waits with ``--wait``."""

    def strike(command: Command) -> bool:
        was_running = not command.is_over()
        second = command.workplace.run(*options)
        assert "Traceback" not in second.stderr, second.stderr
        if second.code == 2:
            assert not options, second.stderr
            assert "is running this suite here already" in second.stderr, second.stderr
        else:
            assert second.code == 0, second.stderr
        return was_running

    return Fault(f"a second run {' '.join(options)}".rstrip(), strike, codes=frozenset({0, 2}))


def all_faults(can_mount: bool, clock: Path | None) -> list[Callable[[random.Random], Fault]]:
    """Return a constructor for every fault that is possible on this machine."""
    kills: list[tuple[Victim, tuple[signal.Signals, ...]]] = [
        ("parent", (signal.SIGKILL,)),
        ("server", (signal.SIGKILL,)),
        ("worker", (signal.SIGKILL,)),
        ("parent", (signal.SIGINT,)),
        ("parent", (signal.SIGTERM,)),
        ("parent", (signal.SIGINT, signal.SIGTERM)),
        ("worker", (signal.SIGSEGV,)),
    ]
    faults: list[Fault] = [
        *(kill(victim, signals) for victim, signals in kills),
        ctrl_c(),
        *(out_of_memory(victim) for victim in ("parent", "server", "worker")),
        second_run(()),
        second_run(("--wait",)),
        *([full_disk(), read_only()] if can_mount else []),
    ]
    makers: list[Callable[[random.Random], Fault]] = [
        lambda _, fault=fault: fault for fault in faults
    ]  # type: ignore[misc]
    return [*makers, *([partial(clock_jump, clock)] if clock else [])]


def wrong_clock(folder: Path) -> Path | None:
    """Return the library that shifts the wall clock of a process, or None without a C compiler."""
    library = folder / "clock.so"
    command = ["cc", "-shared", "-fPIC", "-o", str(library), str(_CLOCK)]
    with contextlib.suppress(OSError):
        if subprocess.run(command, capture_output=True).returncode == 0:
            return library
    return None


def preloaded(clock: Path | None) -> dict[str, str]:
    """The variables of a process that loads ``clock``: every run needs them, as they are recorded
    with the environment, and only runs of one environment make the same table."""
    return {"LD_PRELOAD": str(clock)} if clock else {}


@contextmanager
def small_disk(folder: Path, size: str = "4m") -> Iterator[bool]:
    """Mount a small file system on ``folder``; return False if this user cannot."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
