"""Run a few jobs on one model in sequence, without a suite and outside of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

from cnnbench.environment import keras_backend
from cnnbench.errors import CnnbenchError, UserError
from cnnbench.execution import executor as executors
from cnnbench.execution.executor import Executor
from cnnbench.execution.job import JobRequest, JobResult
from cnnbench.execution.machine_use import MachineUse
from cnnbench.probes.settings import Setting

_NO_LIMIT_S = 30 * 24 * 3600.0


def run(
    model: str,
    settings: Iterable[Setting],
    search_path: Sequence[Path],
    folder: Path,
    log: Path,
    data_dir: Path | None = None,
    report_progress: Callable[[str], None] = lambda message: None,
    executor: Executor | None = None,
) -> None:
    """Run one job per setting, each after the previous one has succeeded.

    Args:
        model: as the registry resolves it.
        settings: of probes that do not prepare.
        search_path: where modules and files are looked up.
        folder: gets a folder of artifacts per job; concurrent runs are told its name.
        log: takes the output of the jobs.
        data_dir: holds data sets, or None.
        report_progress: takes progress messages.
        executor: where the jobs run; by default on this machine.

    Raises:
        UserError: the input of a job is wrong, or Keras would not run on TensorFlow.
        CnnbenchError: a job did not succeed; the message begins with its status.
    """
    keras_backend.check_workers(data_dir)
    executor = executor or executors.find()
    with ExitStack() as stack:
        if executor.uses_this_machine:
            stack.enter_context(MachineUse().held(folder.name))
        stack.enter_context(executor)
        for place, setting in enumerate(settings):
            artifacts, scratch = folder / str(place), folder / "scratch"
            artifacts.mkdir(parents=True)
            scratch.mkdir(exist_ok=True)
            request = JobRequest(
                id=str(place),
                model=model,
                search_path=tuple(map(str, search_path)),
                probe=setting.probe,
                setting=setting.model_dump(mode="json"),
                repeat=0,
                artifacts=str(artifacts),
                scratch=str(scratch),
                log=str(log),
                data_dir=str(data_dir) if data_dir else None,
                memory_limit=None,
                timeout_s=_NO_LIMIT_S,
                group=folder.name,  # a job reads what the previous one wrote
            )
            _check(executors.run_one(executor, request, report_progress))


def _check(result: JobResult) -> None:
    if result.is_user_error:
        raise UserError(result.reason)
    if result.status != "ok":
        status = "not applicable" if result.status == "skipped" else result.status
        raise CnnbenchError(f"{status}: {result.reason}")
