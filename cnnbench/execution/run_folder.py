"""A run's folder: its files, which run to continue, and the lock on the runs of a suite."""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import hashlib
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
from cnnbench.probes import artifacts
from cnnbench.record import FLOAT32, PREPARE
from cnnbench.results import journal, run_files
from cnnbench.suite import question as questions
from cnnbench.suite.plan import Cell, Job, Plan

PUBLISHED = "published"
CACHE = ".cache"
# Folders of cells, and of what the compression probe shared between them, in earlier versions.
_NAMED_BY_KEY = re.compile(r"(?:[a-z]+-)?[0-9a-f]{16}")
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
        """Store the suite as it is now; it may ask for more seeds than when the run began.

        Its question is stored resolved, for tables made later, and the order of its models and
        settings, in which the runs of its shards are merged.
        """
        replace_text(self.path / "suite.yaml", plan.suite.source.text)
        models = dict.fromkeys(cell.model.label for cell in plan.cells)
        settings = dict.fromkeys(f"{cell.probe} {cell.setting.label()}" for cell in plan.cells)
        order = {"models": list(models), "settings": list(settings)}
        replace_text(self.path / run_files.ORDER, json.dumps(order, indent=2) + "\n")
        question = self.path / questions.FILE_NAME
        if plan.question is not None:
            replace_text(question, plan.question.to_json() + "\n")
        else:
            question.unlink(missing_ok=True)

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

    def artifacts_of(self, cell: Cell) -> Path | None:
        """Return the folder that a cell's ``prepare`` job writes and its repeats read, or None."""
        of_model = self.model_folder(cell.model.label)
        return None if of_model is None else artifacts.find(of_model, cell.key)

    def model_folder(self, label: str) -> Path | None:
        """Return the folder of everything that was made of a model, or None.

        In a run that an earlier version began, it is that of all models.
        """
        if self._has_folders_named_by_key():
            return self.artifacts
        return artifacts.find(self.artifacts, model_key(label))

    def is_prepared(self, cell: Cell) -> bool:
        """Return whether a cell's ``prepare`` job has left everything that its repeats need."""
        folder = self.artifacts_of(cell)
        return folder is not None and (folder / _PREPARED).exists()

    def prepare_for(self, job: Job) -> tuple[Path, Path]:
        """Make the folders that a job writes to: its cell's artifacts, and its scratch folder."""
        if job.repeat == PREPARE and (earlier := self.artifacts_of(job.cell)) is not None:
            shutil.rmtree(earlier, ignore_errors=True)
        folder = self._claim(job.cell)
        scratch = _scratch_of(folder, job)
        scratch.mkdir(parents=True, exist_ok=True)
        return folder, scratch

    def clean_after(self, job: Job, is_ok: bool) -> None:
        """Mark the artifacts of a ``prepare`` job that succeeded; remove folders left empty."""
        folder = self.artifacts_of(job.cell)
        if folder is None:
            return
        if job.repeat == PREPARE and is_ok:
            (folder / _PREPARED).touch()
        with contextlib.suppress(OSError):  # not empty
            _scratch_of(folder, job).rmdir()
        for empty in (folder, folder.parent):
            if empty != self.artifacts:
                artifacts.release(empty)

    def log_of(self, job: Job, attempt: int) -> Path:
        """Return the file for the output of a job."""
        words = run_files.log_words(job.cell.title())
        return self.logs / f"{words}-{job.cell.key[:8]}-{job.repeat}-try{attempt}.log"

    def _claim(self, cell: Cell) -> Path:
        if self._has_folders_named_by_key():
            return self.artifacts / cell.key
        label = cell.model.label
        of_model = artifacts.claim(self.artifacts, model_key(label), [label])
        names = [f"{cell.probe} {cell.setting.label()}"]
        if cell.variant != FLOAT32:
            names = [f"{cell.probe} {cell.variant} {cell.setting.label()}"]
        return artifacts.claim(of_model, cell.key, names)

    def _has_folders_named_by_key(self) -> bool:
        """Return whether an earlier version began the run.

        The folder of a model may be named like a key, but holds its own.
        """
        made = self.artifacts.iterdir() if self.artifacts.is_dir() else ()
        return any(
            _NAMED_BY_KEY.fullmatch(path.name) and path.is_dir() and not artifacts.key_of(path)
            for path in made
        )

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


def model_key(label: str) -> str:
    """Return the key of the folder of a model's artifacts."""
    return f"model-{hashlib.sha256(label.encode()).hexdigest()[:16]}"


def _scratch_of(folder: Path, job: Job) -> Path:
    return folder / f"scratch-{job.repeat}"


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
