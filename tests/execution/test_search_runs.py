"""Runs of suites with a question on a fake executor: the journal, resuming, and `everything`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cnnbench.execution import dry_run, runner
from cnnbench.execution.job import JobRequest, JobResult
from cnnbench.execution.runner import Observer, RunResult
from cnnbench.record import Record
from cnnbench.results import tables
from cnnbench.selection.answer import answer
from cnnbench.suite import question as questions
from cnnbench.suite.plan import Plan
from tests.execution.fake import Answer, FakeExecutor
from tests.suite.fake import plan_of

SUITE = """
name: s
models: [Alpha, Beta, MobileNetV2]
probes:
  static:
  memory:
  accuracy: {dataset: digits, image_size: 32, epochs: 8, seeds: 3}
"""
PLAN = plan_of(SUITE + "question: {maximize: top1, max: {params: 5M}}\n")
LARGE, BEHIND, BEST = "MobileNetV2", "Beta", "Alpha"
SKIPS = {(LARGE, "memory"), (LARGE, "accuracy"), (BEHIND, "memory"), (BEHIND, "accuracy")}


def measured(request: JobRequest) -> JobResult:
    """Alpha is best, Beta far behind, MobileNetV2 too large."""
    if request.probe == "static":
        return JobResult("ok", metrics={"params": 9e6 if request.model == LARGE else 1e6})
    if request.probe == "memory":
        return JobResult("ok", metrics={"memory_infer_peak_bytes": 1e6})
    top1 = {BEST: 0.9, BEHIND: 0.7}.get(request.model, 0.95) + 0.002 * int(request.repeat)
    return JobResult("ok", metrics={"top1": top1}, details={"n_test": 10_000, "chance": 0.1})


def here(answer: Answer = measured, capacity: int = 1) -> FakeExecutor:
    """Return an executor whose environment is known without looking at this machine."""
    return FakeExecutor(answer, capacity, host="node")


class Listener(Observer):
    """Collects what is left out."""

    def __init__(self) -> None:
        self.told: dict[str, str] = {}

    def left_out(self, network: str, reason: str) -> None:
        assert network not in self.told
        self.told[network] = reason


def run(
    out: Path, plan: Plan = PLAN, executor: FakeExecutor | None = None, **options: Any
) -> tuple[RunResult, list[tuple[str, str, Any]], dict[str, str]]:
    """Run a suite; return the result, the jobs that ran, and what the observer was told."""
    executor, observer = executor or here(), Listener()
    result = runner.run(plan, plan.cells, out, observer, executor=executor, **options)
    jobs = [(request.model, request.probe, request.repeat) for request in executor.requests]
    return result, jobs, observer.told


def omitted(records: tuple[Record, ...]) -> list[Record]:
    return [record for record in records if record.is_left_out]


def test_what_is_left_out_is_recorded_when_the_run_ends(tmp_path: Path) -> None:
    result, jobs, told = run(tmp_path)
    assert jobs[-1] == (BEST, "memory", 0)
    assert not {(model, probe) for model, probe, _ in jobs} & {(LARGE, "accuracy")}
    assert list(told) == [LARGE, BEHIND]
    assert result.records[: len(jobs)] == tuple(r for r in result.records if not r.is_left_out)
    found = {(r.model, r.probe): r for r in omitted(result.records)}
    assert set(found) == SKIPS
    assert found[LARGE, "accuracy"].reason == told[LARGE] == "params is 9 M, 4 M (80 %) over 5 M"
    assert found[LARGE, "accuracy"].details["left_out"]["repeats"] == 3
    assert found[BEHIND, "accuracy"].details["left_out"]["repeats"] == 2
    assert (found[BEHIND, "accuracy"].repeat, found[BEHIND, "accuracy"].status) == (1, "skipped")
    assert not runner.has_failures(PLAN.cells, result.records)


def test_running_again_adds_nothing(tmp_path: Path) -> None:
    first, _, told = run(tmp_path)
    again, jobs, _ = run(tmp_path)
    assert again == first and not jobs
    assert told


@pytest.mark.parametrize("capacity", [1, 3])
def test_an_interrupted_run_comes_to_the_same_result(tmp_path: Path, capacity: int) -> None:
    whole, jobs, _ = run(tmp_path / "whole", executor=here(measured, capacity))
    for count in (2, 4, 6):  # after counts, after the first seeds, after the best has a second
        left = iter(range(count))

        def interrupt(request: JobRequest, left: Any = left) -> JobResult:
            if next(left, None) is None:
                raise KeyboardInterrupt
            return measured(request)

        out = tmp_path / str(count)
        with pytest.raises(KeyboardInterrupt):
            run(out, executor=here(interrupt, capacity))
        resumed, _, _ = run(out, executor=here(measured, capacity))
        assert {(r.model, r.probe, r.repeat, r.status) for r in resumed.records} >= {
            (r.model, r.probe, r.repeat, r.status) for r in whole.records
        }
        ok = [record.key for record in resumed.records if record.status == "ok"]
        assert len(ok) == len(set(ok)) == len(jobs)


def test_everything_measures_the_rest_in_the_same_run(tmp_path: Path) -> None:
    first, jobs, _ = run(tmp_path)
    whole, more, told = run(tmp_path, everything=True)
    assert whole.folder == first.folder and not told
    assert len(jobs) + len(more) == sum(len(cell.repeats) for cell in PLAN.cells)
    found = answer(tables.load(whole.folder))
    assert found and not found.omissions
    assert found.choice.winner and found.choice.winner.name == BEST


def test_a_wider_limit_continues_the_run_and_measures_what_it_lets_in(tmp_path: Path) -> None:
    first, _, _ = run(tmp_path)
    wider = plan_of(SUITE + "question: {maximize: top1, max: {params: 10M}}\n")
    again, jobs, _ = run(tmp_path, wider)
    assert again.folder == first.folder
    assert jobs[:3] == [(LARGE, "accuracy", seed) for seed in range(3)]
    found = answer(tables.load(again.folder))
    assert found and found.choice.winner and found.choice.winner.name == LARGE


def test_the_folder_keeps_the_question_while_the_suite_states_it(tmp_path: Path) -> None:
    result, _, _ = run(tmp_path)
    file = result.folder / questions.FILE_NAME
    assert json.loads(file.read_text()) == {
        "maximize": "top1@digits/scratch/32px/8ep", "max": {"params": 5e6},
    }  # fmt: skip
    assert run(tmp_path, plan_of(SUITE))[0].folder == result.folder
    assert not file.exists()


def test_a_part_of_the_suite_is_run_without_leaving_out_what_the_rest_decides(
    tmp_path: Path,
) -> None:
    executor = here()
    cells = PLAN.part(probes=["memory"])
    runner.run(PLAN, cells, tmp_path, Observer(), executor=executor)
    assert len(executor.requests) == 3


def test_a_dry_run_lists_the_most_that_can_run(tmp_path: Path) -> None:
    executor = here()

    def last(plan: Plan) -> str:
        lines = list(dry_run.lines(plan, plan.cells, tmp_path, executor))
        return next(line for line in lines if " to do" in line and "done" in line)

    assert last(PLAN) == "0 jobs done, 15 to do"
    run(tmp_path)
    assert last(PLAN) == "8 jobs done, 0 to do"
    assert last(PLAN.without_question()) == "8 jobs done, 7 to do"
