"""The part that runs on a node: one job in a fork server of its own, as on a local machine.

The process is a worker of Ray. If it is killed, the fork server notices that its channel is closed,
and ends with everything that the job has started.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from cnnbench import __version__, environment
from cnnbench.environment import variables
from cnnbench.execution.executor import JobEnded, JobProgress, JobStarted
from cnnbench.execution.job import JobRequest
from cnnbench.execution.local.executor import LocalExecutor
from cnnbench.execution.local.output import MOST_BYTES
from cnnbench.execution.machine_use import VARIABLE, MachineUse
from cnnbench.execution.on_ray.files import Store, relocated, removed, written
from cnnbench.files import DATA_DIR

# Messages to the driver: a kind, and what belongs to it.
STARTED, PROGRESS, ENDED = "started", "progress", "ended"
FILE, REMOVED, LOG = "file", "removed", "log"
Message = tuple[Any, ...]

_OMP_THREADS = "OMP_NUM_THREADS"


def describe() -> dict[str, Any]:
    """Return what the driver must know of a node: environment, host, cores and version."""
    restore_variables()
    restore_priority()
    Store().remove_old()
    return {
        "environment": environment.describe(),
        "host": host_id(),
        "slots": environment.usable_cores(),
        "cnnbench": __version__,
    }


def perform(
    request: JobRequest,
    search_path: tuple[str, ...],
    hashes: Mapping[str, str],
    contents: Mapping[str, Any],
    watches: bool,
) -> Iterator[Message]:
    """Run one job; yield what happens, its result, and what it has written.

    Args:
        request: with the paths of the driver.
        search_path, hashes: of its `Luggage`.
        contents: sha256 -> reference to an object of Ray, for what this node may not have.
        watches: tell which other runs measure on this machine.
    """
    restore_variables()
    restore_priority()
    store = Store()
    for sha256, reference in contents.items():
        if not store.has(sha256):
            store.add(sha256, _fetched(reference))
    folder = store.job_folder()
    try:
        store.lay(hashes, folder)
        here = relocated(request, search_path, folder, store.cache)
        yield from _run(_with_data(here), watches)
        for name, sha256, file in written(folder, hashes):
            content = file.read_bytes()
            store.add(sha256, content)
            yield FILE, name, sha256, content
        yield REMOVED, removed(folder, hashes)
        yield LOG, _log(Path(here.log))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(request: JobRequest, watches: bool) -> Iterator[Message]:
    with ExitStack() as stack:
        executor = stack.enter_context(LocalExecutor())
        facts = executor.environment()  # of the whole node, before it is pinned to a part
        if not request.is_exclusive:
            stack.enter_context(pinned_to_core())
        machine = MachineUse()
        if watches and request.is_exclusive:
            stack.enter_context(machine.held(request.probe))
        beside: set[str] = set()
        executor.submit(request)
        for event in executor.events():
            if watches and request.is_exclusive:
                beside |= set(machine.others())
            match event:
                case JobStarted():
                    yield (STARTED,)
                case JobProgress():
                    yield PROGRESS, event.message
                case JobEnded():
                    result = asdict(event.result) | {"environment": dict(facts)}
                    if beside:
                        result["details"] = {**result["details"], "beside": sorted(beside)}
                    yield ENDED, result


def restore_variables() -> None:
    """Undo what Ray changes for its workers in the variables that affect results.

    Ray sets `OMP_NUM_THREADS` to the CPUs that a task has asked for. The process that started this
    one, Ray's daemon, still has the variables of the node.
    """
    before = _variables_of(os.getppid())
    if before is None:
        os.environ.pop(_OMP_THREADS, None)
        return
    names = {*variables.recorded(os.environ, has_gpu=True), *variables.recorded(before, True)}
    for name in names - {"LD_PRELOAD"}:
        if name in before:
            os.environ[name] = before[name]
        else:
            os.environ.pop(name, None)


def restore_priority() -> None:
    """Give this process the priority of Ray's daemon; Ray lowers that of its workers.

    Raises:
        ValueError: only the administrator may raise a priority.
    """
    wanted = os.getpriority(os.PRIO_PROCESS, os.getppid())
    if os.getpriority(os.PRIO_PROCESS, 0) <= wanted:
        return
    try:
        os.setpriority(os.PRIO_PROCESS, 0, wanted)
    except PermissionError:
        raise ValueError(
            "Ray lowers the priority of jobs there: start the node with RAY_worker_niceness=0"
        ) from None


def _variables_of(pid: int) -> dict[str, str] | None:
    """Return the variables with which Ray's daemon was started; None if it cannot be read."""
    process = Path(f"/proc/{pid}")
    with suppress(OSError):
        if b"raylet" in (process / "cmdline").read_bytes():
            entries = (process / "environ").read_bytes().decode(errors="replace").split("\0")
            return dict(entry.split("=", 1) for entry in entries if "=" in entry)
    return None


def host_id() -> str:
    """Return the id of this machine, the same after it was restarted.

    Machines that `CNNBENCH_MACHINE` tells apart, for example disjoint sets of cores, are several.
    """
    part = os.environ.get(VARIABLE)
    return f"{environment.host_id()}/{part}" if part else environment.host_id()


@contextmanager
def pinned_to_core() -> Iterator[None]:
    """Pin what this thread starts to a core that no other job of this user is pinned to."""
    cores = sorted(os.sched_getaffinity(0))
    folder = Store().folder / "cores"
    folder.mkdir(exist_ok=True)
    with ExitStack() as stack:
        for core in cores:
            lock = stack.enter_context((folder / str(core)).open("w"))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            os.sched_setaffinity(0, {core})
            break
        try:
            yield
        finally:
            os.sched_setaffinity(0, cores)


def _with_data(request: JobRequest) -> JobRequest:
    """Return the request with this node's own data folder, if that of the driver is not here."""
    given, own = request.data_dir, os.environ.get(DATA_DIR)
    if own and (given is None or not Path(given).is_dir()):
        return replace(request, data_dir=own)
    return request


def _fetched(reference: Any) -> bytes:
    import ray

    content: bytes = ray.get(reference)
    return content


def _log(file: Path) -> bytes:
    with suppress(OSError), file.open("rb") as stream:
        return stream.read(MOST_BYTES)
    return b""
