"""A run's folder: where it is, which one to continue, and the lock on the runs of a suite."""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnbench import __version__
from cnnbench.errors import CnnbenchError, UserError
from cnnbench.files import replace_text
from cnnbench.results import journal
from cnnbench.suite.plan import Plan

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

    def write_suite(self, plan: Plan) -> None:
        """Keep the suite as it is worded now: it may ask for more seeds than when the run began."""
        replace_text(self.path / "suite.yaml", plan.suite.source.text)

    def check(self, out: Path) -> None:
        """Make sure that what is written into the folder stays in it.

        Raises:
            UserError: it lies outside ``out``, or a symbolic link in it leads elsewhere.
        """
        if not self.path.resolve().is_relative_to(out.resolve()):
            raise UserError(
                f"leads out of the results folder, to {self.path.resolve()}",
                str(self.path),
                "take the symbolic link away, or choose that folder with --out",
            )
        for path in self.path.rglob("*"):
            if path.is_symlink():
                raise UserError(
                    "a symbolic link in a run's folder, which cnnbench never makes",
                    str(path),
                    "take it away, or measure in a new run with --fresh",
                )


def check_name(plan: Plan) -> None:
    """Make sure that no run is begun, or continued, where finished ones are kept.

    Raises:
        UserError: the suite has the name that is kept for them.
    """
    if plan.suite.name == PUBLISHED:
        raise UserError(
            f"a suite cannot be called '{PUBLISHED}'",
            plan.suite.source.where(("name",)),
            "runs kept as evidence live there",
        )


def newest(out: Path, plan: Plan, environment_id: str) -> RunFolder | None:
    """The newest run of this very plan, environment and version of cnnbench, or None.

    A copy under another name is kept as it is.
    """
    for folder in reversed(journal.runs(out / plan.suite.name)):
        if journal.time_of(folder) is None:
            continue
        with contextlib.suppress(CnnbenchError):  # a damaged or foreign run is not continued
            header = journal.read_header(folder / journal.FILE_NAME)
            made_by = (header.plan, header.environment, header.cnnbench)
            if made_by == (plan.id, environment_id, __version__):
                return RunFolder(folder)
    return None


def create(out: Path, plan: Plan, environment: dict[str, Any]) -> RunFolder:
    """Make the folder of a new run; its name sorts after those of all earlier runs.

    Raises:
        OSError: the folder cannot be written.
    """
    suite = out / plan.suite.name
    suite.mkdir(parents=True, exist_ok=True)
    now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None, microsecond=0)
    # A second run within one second, or a clock that was set back, must not sort before others.
    earlier = [time for folder in suite.iterdir() if (time := journal.time_of(folder))]
    now = max([now, *(time + datetime.timedelta(seconds=1) for time in earlier)])
    run = RunFolder(suite / now.strftime(journal.RUN_NAME))
    run.check(out)
    run.path.mkdir()
    run.artifacts.mkdir()
    run.logs.mkdir()
    facts = json.dumps(environment, indent=2) + "\n"
    (run.path / "environment.json").write_text(facts, encoding="utf-8")
    return run


@contextlib.contextmanager
def held(out: Path, suite: str, waiting: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold the runs of ``suite`` in ``out``; the kernel lets go however this process ends.

    One lock for all runs of a suite, so that two never begin or continue one at the same time.

    Args:
        out: the results folder, made where it is missing.
        suite: its name.
        waiting: where given, wait for who holds it, and say first who that is.

    Raises:
        UserError: another process holds it, and ``waiting`` is None.
        OSError: the folder cannot be written.
    """
    out.mkdir(parents=True, exist_ok=True)
    file = out / f".{suite}.lock"
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "?"
            if waiting is None:
                raise UserError(
                    f"process {holder} is running this suite here already",
                    str(out / suite),
                    "use --wait to queue or --out for another folder; concurrent runs distort "
                    "timings",
                ) from None
            waiting(f"process {holder}, which runs this suite")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)
