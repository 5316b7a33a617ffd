"""A run's folder: where it is, which one to continue, and the lock that holds it."""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnbench.core.errors import CnnbenchError, UserError
from cnnbench.core.plan import Plan
from cnnbench.store import journal

_TIME = "%Y%m%dT%H%M%SZ"
PUBLISHED = "published"


@dataclass(frozen=True)
class RunFolder:
    """The paths of one run."""

    path: Path

    @property
    def journal(self) -> Path:
        return self.path / journal.FILE_NAME

    @property
    def artifacts(self) -> Path:
        return self.path / "artifacts"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    def write_text(self, name: str, text: str) -> None:
        """Write a file in one step: a reader sees the old one or the new one, never half of it."""
        file = self.path / name
        part = file.with_name(f".{name}.part")
        part.write_text(text, encoding="utf-8")
        part.replace(file)


def newest(out: Path, plan: Plan, environment_id: str) -> RunFolder | None:
    """The newest run of this very plan in this very environment, or None."""
    for folder in sorted(_runs(out, plan), reverse=True):
        with contextlib.suppress(CnnbenchError):  # a damaged or foreign run is not continued
            header = journal.read_header(folder / journal.FILE_NAME)
            if header.plan == plan.id and header.environment == environment_id:
                return RunFolder(folder)
    return None


def create(out: Path, plan: Plan, environment: dict[str, Any]) -> RunFolder:
    """Make the folder of a new run; its name sorts after those of all earlier runs.

    Raises:
        UserError: the folder cannot be written.
    """
    if plan.suite.name == PUBLISHED:
        raise UserError(
            f"a suite cannot be called '{PUBLISHED}'",
            plan.suite.source.where(("name",)),
            "runs kept as evidence live there",
        )
    now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None, microsecond=0)
    # A second run within one second, or a clock that was set back, must not sort before others.
    earlier = [time for folder in _runs(out, plan) if (time := _time_of(folder))]
    now = max([now, *(time + datetime.timedelta(seconds=1) for time in earlier)])
    run = RunFolder(out / plan.suite.name / now.strftime(_TIME))
    try:
        run.artifacts.mkdir(parents=True)
        run.logs.mkdir()
        run.write_text("suite.yaml", plan.suite.source.text)
        run.write_text("environment.json", json.dumps(environment, indent=2) + "\n")
    except OSError as error:
        raise UserError(
            f"cannot be written: {error.strerror}", str(run.path), "choose a folder with --out"
        ) from None
    return run


@contextlib.contextmanager
def held(run: RunFolder) -> Iterator[None]:
    """Hold the run's lock; the kernel lets go of it however this process ends.

    Raises:
        UserError: another process holds it.
    """
    file = run.path / ".lock"
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise UserError(f"cannot be written: {error.strerror}", str(file)) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode(errors="replace").strip()
            raise UserError(
                f"process {holder or '?'} is running this suite here already",
                str(run.path),
                "wait for it, or measure separately with --fresh",
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        yield
    finally:
        os.close(descriptor)


def _runs(out: Path, plan: Plan) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        yield from (path.parent for path in (out / plan.suite.name).glob(f"*/{journal.FILE_NAME}"))


def _time_of(folder: Path) -> datetime.datetime | None:
    with contextlib.suppress(ValueError):
        return datetime.datetime.strptime(folder.name, _TIME)
    return None
