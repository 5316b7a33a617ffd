"""A run's folder: its files, which run to continue, and the lock on the runs of a suite."""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnbench import __version__
from cnnbench.errors import CnnbenchError, UserError
from cnnbench.files import replace_text
from cnnbench.record import PREPARE
from cnnbench.results import journal
from cnnbench.suite.plan import Cell, Job, Plan

PUBLISHED = "published"
CACHE = ".cache"
_PREPARED = ".complete"  # in a cell's artifacts, once its prepare job is done


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

    @property
    def cache(self) -> Path:
        """The folder for generated data, which all runs in the results folder use."""
        return self.path.parents[1] / CACHE

    def write_suite(self, plan: Plan) -> None:
        """Store the suite as it is now; it may ask for more seeds than when the run began."""
        replace_text(self.path / "suite.yaml", plan.suite.source.text)

    def write_environment(self, facts: Mapping[str, Any], of_run: str) -> None:
        """Store the description of an environment, if it is not there yet.

        Args:
            facts: the description, as of `environment.describe`.
            of_run: id of the run's own environment, in ``environment.json``; any other is kept in
                ``environment-ID.json``.
        """
        name = "environment" if facts["id"] == of_run else f"environment-{facts['id']}"
        file = self.path / f"{name}.json"
        if not file.exists():
            replace_text(file, json.dumps(dict(facts), indent=2) + "\n")

    def artifacts_of(self, cell: Cell) -> Path:
        """Return the folder that a cell's ``prepare`` job writes and its repeats read."""
        return self.artifacts / cell.key

    def is_prepared(self, cell: Cell) -> bool:
        """Return whether a cell's ``prepare`` job has left everything that its repeats need."""
        return (self.artifacts_of(cell) / _PREPARED).exists()

    def prepare_for(self, job: Job) -> tuple[Path, Path]:
        """Make the folders that a job writes to: its cell's artifacts, and its scratch folder."""
        artifacts = self.artifacts_of(job.cell)
        if job.repeat == PREPARE:
            shutil.rmtree(artifacts, ignore_errors=True)
        scratch = self._scratch_of(job)
        scratch.mkdir(parents=True, exist_ok=True)
        return artifacts, scratch

    def clean_after(self, job: Job, is_ok: bool) -> None:
        """Mark the artifacts of a ``prepare`` job that succeeded; remove folders left empty."""
        artifacts = self.artifacts_of(job.cell)
        if job.repeat == PREPARE and is_ok:
            (artifacts / _PREPARED).touch()
        with contextlib.suppress(OSError):  # not empty
            self._scratch_of(job).rmdir()
            artifacts.rmdir()

    def log_of(self, job: Job, attempt: int) -> Path:
        """Return the file for the output of a job."""
        words = re.sub(r"[^A-Za-z0-9.]+", "-", job.cell.title())[:80]
        return self.logs / f"{words}-{job.cell.key[:8]}-{job.repeat}-try{attempt}.log"

    def _scratch_of(self, job: Job) -> Path:
        return self.artifacts_of(job.cell) / f"scratch-{job.repeat}"

    def check(self, out: Path) -> None:
        """Make sure that what is written into the folder stays in it.

        Raises:
            UserError: it lies outside ``out``, or a symbolic link in it leads elsewhere.
        """
        if not self.path.resolve().is_relative_to(out.resolve()):
            raise UserError(
                f"leads out of the results folder, to {self.path.resolve()}",
                str(self.path),
                "remove the symbolic link, or choose that folder with --out",
            )
        for path in self.path.rglob("*"):
            if path.is_symlink():
                raise UserError(
                    "a symbolic link in a run's folder, which cnnbench never makes",
                    str(path),
                    "remove it, or measure in a new run with --fresh",
                )


def check_name(plan: Plan) -> None:
    """Make sure that no run is begun or continued in the folder of published runs.

    Raises:
        UserError: the suite has the name that is reserved for them.
    """
    if plan.suite.name == PUBLISHED:
        raise UserError(
            f"a suite cannot be called '{PUBLISHED}'",
            plan.suite.source.where(("name",)),
            "runs kept as evidence live there",
        )


def newest(out: Path, plan: Plan, environment_id: str) -> RunFolder | None:
    """Return the newest run of this plan, environment and version of cnnbench, or None.

    A folder whose name is not a run's time is ignored.
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


def create(out: Path, plan: Plan, environment: Mapping[str, Any]) -> RunFolder:
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
    run.write_environment(environment, environment["id"])
    return run


@contextlib.contextmanager
def held(out: Path, suite: str, waiting: Callable[[str], None] | None = None) -> Iterator[None]:
    """Lock the runs of ``suite`` in ``out``; the kernel unlocks them however this process ends.

    One lock for all runs of a suite, so that two never begin or continue one at the same time.

    Args:
        out: the results folder, made where it is missing.
        suite: name of the suite.
        waiting: if given, called with the process that holds the lock, before waiting for it.

    Raises:
        UserError: another process holds the lock, and ``waiting`` is None.
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
