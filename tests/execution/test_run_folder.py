"""Folders of a run's artifacts: readable, one for each cell, and those of earlier versions."""

from __future__ import annotations

from pathlib import Path

from cnnbench.execution.job import JobRequest, JobResult
from cnnbench.execution.run_folder import RunFolder
from cnnbench.execution.runner import Observer
from cnnbench.execution.runner import run as run_plan
from cnnbench.record import Record
from tests.execution.fake import FakeExecutor
from tests.suite.fake import plan_of

ROUNDS = plan_of(
    "name: s\nmodels: [Alpha, Beta]\n"
    "probes: {latency: {runtimes: [graph], batch_sizes: [1, 8], min_rounds: 2, max_rounds: 2}}\n"
)
NAMES = ["latency-cpu-graph-b1", "latency-cpu-graph-b8"]


def run(out: Path) -> tuple[RunFolder, FakeExecutor, tuple[Record, ...]]:
    """Run the plan with jobs that leave a file, as those of a runtime do."""

    def answer(request: JobRequest) -> JobResult:
        Path(request.artifacts, "model.tflite").touch()
        timed = {"latency_location_s": 1.0, "reference_s": 1.0}
        return JobResult("ok", metrics=timed)

    executor = FakeExecutor(answer)
    done = run_plan(ROUNDS, ROUNDS.cells, out, Observer(), executor=executor)
    return RunFolder(done.folder), executor, done.records


def test_a_cell_has_a_folder_that_its_model_and_setting_name(tmp_path: Path) -> None:
    folder, executor, _ = run(tmp_path)
    made = {
        str(path.parent.relative_to(folder.artifacts)) for path in folder.path.rglob("*.tflite")
    }
    assert made == {f"{model}/{name}" for model in ("Alpha", "Beta") for name in NAMES}
    assert all(request.run == str(folder.path) for request in executor.requests)
    assert all(map(folder.is_prepared, ROUNDS.cells))
    for cell in ROUNDS.cells:
        assert folder.artifacts_of(cell).name in NAMES  # type: ignore[union-attr]


def test_a_folder_without_content_does_not_stay(tmp_path: Path) -> None:
    plan = plan_of("name: s\nmodels: [Alpha]\nprobes: {static: }\n")
    done = run_plan(plan, plan.cells, tmp_path, Observer(), executor=FakeExecutor())
    assert list(RunFolder(done.folder).artifacts.iterdir()) == []


def test_continues_a_run_whose_folders_are_named_by_key(tmp_path: Path) -> None:
    folder, _, records = run(tmp_path)
    made = {cell.key: folder.artifacts_of(cell) for cell in ROUNDS.cells}
    for key, kept in made.items():  # as an earlier version would have left it
        assert kept is not None
        (kept / ".key").unlink()
        kept.rename(folder.artifacts / key)
    for label in ("Alpha", "Beta"):
        (folder.artifacts / label / ".key").unlink()
        (folder.artifacts / label).rmdir()
    assert all(map(folder.is_prepared, ROUNDS.cells))

    lines = folder.journal.read_text().splitlines()
    folder.journal.write_text("\n".join(lines[:-1]) + "\n")  # the last round is lost
    again, executor, after = run(tmp_path)
    assert again.path == folder.path
    (request,) = executor.requests
    assert request.repeat == 1, "its file was found, and not prepared again"
    assert request.id == records[-1].key
    assert Path(request.artifacts).name in {cell.key for cell in ROUNDS.cells}
    assert [record.key for record in after] == [record.key for record in records]
