"""The runner with a fake executor: from jobs to records."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cnnbench import __version__, environment
from cnnbench.errors import CnnbenchError, UserError
from cnnbench.execution import runner, side_by_side
from cnnbench.execution.executor import JobEvent
from cnnbench.execution.job import JobRequest, JobResult
from cnnbench.execution.machine_use import MachineUse
from cnnbench.execution.runner import Observer, RunResult
from cnnbench.record import Record, Status
from cnnbench.results import tables
from cnnbench.results.journal import FILE_NAME, Header, read_header
from cnnbench.selection.compare.comparison import compare
from cnnbench.suite.plan import Plan
from tests.execution.fake import FakeExecutor, describe
from tests.suite.fake import FakeCatalogue, plan_of

PLAN = plan_of("name: s\nmodels: [Alpha]\nprobes: {static: }\n")


def run(
    out: Path, executor: FakeExecutor | None = None, plan: Plan = PLAN, **options: Any
) -> RunResult:
    executor = executor or FakeExecutor()
    return runner.run(plan, plan.cells, out, Observer(), executor=executor, **options)


def test_workers_get_absolute_paths_and_messages_relative_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    executor = FakeExecutor()
    result = run(Path("results"), executor)
    assert result.folder.parent == Path("results/s")
    (request,) = executor.requests
    assert not request.is_exclusive, "counting times nothing"
    for place in (request.artifacts, request.scratch, request.log):
        assert Path(place).is_relative_to(tmp_path / result.folder)
    assert request.cache == str(tmp_path / "results" / ".cache"), "shared by all runs"


@pytest.mark.parametrize("fresh", [False, True])
def test_never_continues_a_published_run(tmp_path: Path, fresh: bool) -> None:
    executor = FakeExecutor()
    plan = plan_of("name: published\nmodels: [Alpha]\nprobes: {static: }\n")
    kept = tmp_path / "published" / "alpha" / FILE_NAME
    kept.parent.mkdir(parents=True)
    here = environment.environment_id(environment.fingerprint())
    kept.write_text(Header(plan.id, here, "0").to_json() + "\n")
    before = kept.read_bytes()
    with pytest.raises(UserError, match=r"s\.yaml:1: a suite cannot be called 'published'"):
        run(tmp_path, executor, plan, fresh=fresh)
    with pytest.raises(UserError, match="cannot be called 'published'"):
        runner.open_run(plan, tmp_path, executor, fresh)
    assert kept.read_bytes() == before and not executor.requests
    assert [path.name for path in kept.parent.parent.iterdir()] == ["alpha"]


def test_continues_only_runs_of_the_same_version(tmp_path: Path) -> None:
    first = run(tmp_path).folder
    assert run(tmp_path).folder == first
    journal = first / FILE_NAME
    journal.write_text(journal.read_text().replace(__version__, "0.0.1", 1))
    assert run(tmp_path).folder != first


def test_a_renamed_copy_is_neither_continued_nor_the_newest(tmp_path: Path) -> None:
    first = run(tmp_path).folder
    copy = first.with_name("before-tuning")
    shutil.copytree(first, copy)
    assert run(tmp_path).folder == first
    assert tables.load(tmp_path / "s").path == first
    shutil.rmtree(first)
    assert tables.load(tmp_path / "s").path == copy
    assert run(tmp_path).folder != copy


def test_a_repeated_prepare_job_replaces_its_failure(tmp_path: Path) -> None:
    plan = plan_of(
        "name: s\nmodels: [Alpha]\n"
        "probes: {latency: {runtimes: [graph], min_rounds: 2, max_rounds: 2}}\n"
    )

    def ends(*statuses: Status) -> tuple[Record, ...]:
        """Run the suite with these results; the artifacts of an earlier prepare job are lost."""
        left = iter(statuses)
        timed = {"latency_location_s": 1.0, "reference_s": 1.0}
        executor = FakeExecutor(lambda request: JobResult(next(left), "so", metrics=timed))
        for folder in tmp_path.glob("s/*"):
            shutil.rmtree(folder / "artifacts" / "Alpha", ignore_errors=True)
        return run(tmp_path, executor, plan).records

    assert not runner.has_failures(plan.cells, ends("ok", "skipped"))
    assert not runner.has_failures(plan.cells, ends("skipped"))
    records = ends("failed")
    assert runner.has_failures(plan.cells, records)
    assert tables.report(records)["latency_p50_s_status@cpu/graph/b1"][0] == "failed: so"
    records = ends("ok", "ok", "ok")
    assert not runner.has_failures(plan.cells, records)
    assert "ok" in set(tables.report(records)["latency_location_s_status@cpu/graph/b1"])
    assert [(r.repeat, r.status) for r in records] == [
        ("prepare", "ok"), (0, "skipped"), ("prepare", "skipped"), ("prepare", "failed"),
        (0, "ok"), (1, "ok"),
    ]  # fmt: skip


def test_reports_the_first_error(tmp_path: Path) -> None:
    def interrupt(request: JobRequest) -> JobResult:
        raise KeyboardInterrupt

    def broken(folder: Path) -> None:
        raise ValueError("no table can be made")

    executor = FakeExecutor(interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, executor, finish=broken)
    assert not executor.is_open


ROUNDS = plan_of(
    "name: s\nmodels: [Alpha, Beta]\n"
    "probes: {latency: {runtimes: [graph], min_rounds: 2, max_rounds: 2}}\n"
)


def test_the_fastest_readings_of_a_run_reach_every_later_job(tmp_path: Path) -> None:
    readings = iter([5.0, 3.0, 4.0, 7.0, 2.0, 6.0])

    def answer(request: JobRequest) -> JobResult:
        return JobResult("ok", details={"fastest": {"calls/t2": next(readings)}})

    executor = FakeExecutor(answer)
    run(tmp_path, executor, ROUNDS)
    given = [request.fastest.get("calls/t2") for request in executor.requests]
    assert given == [None, 5.0, 3.0, 3.0, 3.0, 2.0]

    # Those of the journal count when a run goes on; those of another machine do not.
    more = plan_of(
        "name: s\nmodels: [Alpha, Beta]\n"
        "probes: {latency: {runtimes: [graph], min_rounds: 3, max_rounds: 3}}\n"
    )
    readings = iter([9.0] * 20)
    resumed = FakeExecutor(answer)
    run(tmp_path, resumed, more)
    assert resumed.requests[0].fastest == {"calls/t2": 2.0}
    elsewhere = FakeExecutor(answer, host="node-1")
    run(tmp_path / "elsewhere", elsewhere, ROUNDS)
    assert elsewhere.requests[0].fastest == {}


def test_several_jobs_in_flight_give_the_same_records_as_one_at_a_time(tmp_path: Path) -> None:
    def timed(request: JobRequest) -> JobResult:
        return JobResult("ok", metrics={"latency_location_s": 1.0, "reference_s": 1.0})

    def found(capacity: int) -> tuple[FakeExecutor, set[tuple[Any, ...]]]:
        executor = FakeExecutor(timed, capacity)
        records = run(tmp_path / str(capacity), executor, ROUNDS).records
        return executor, {(r.key, r.attempt, r.repeat, r.status) for r in records}

    (one, alone), (three, together) = found(1), found(3)
    assert together == alone and len(alone) == 6
    assert (one.most_in_flight, three.most_in_flight) == (1, 2)
    assert all(request.is_exclusive for request in three.requests)
    groups = {(request.model, request.group) for request in three.requests}
    assert len(groups) == len({group for _, group in groups}) == 2, "one group a cell"
    repeats = [request.repeat for request in three.requests]
    assert repeats == ["prepare", "prepare", 0, 0, 1, 1], "no round before the one before it"


def test_a_cell_that_fails_is_skipped_while_others_are_in_flight(tmp_path: Path) -> None:
    def beta_fails(request: JobRequest) -> JobResult:
        return JobResult("failed" if request.model == "Beta" else "ok", "why")

    executor = FakeExecutor(beta_fails, capacity=2)
    records = run(tmp_path, executor, ROUNDS).records
    assert [r.repeat for r in records if r.model == "Beta"] == ["prepare"]
    assert [r.repeat for r in records if r.model == "Alpha"] == ["prepare", 0, 1]


def test_every_record_names_the_environment_that_its_job_ran_in(tmp_path: Path) -> None:
    def elsewhere(request: JobRequest) -> JobResult:
        node = describe("node-2") if request.model == "Beta" else {}
        return JobResult("ok", metrics={"params": 1.0}, environment=node)

    plan = plan_of("name: s\nmodels: [Alpha, Beta]\nprobes: {static: }\n")
    result = run(tmp_path, FakeExecutor(elsewhere, host="node-1"), plan)
    one, two = describe("node-1"), describe("node-2")
    assert [record.environment for record in result.records] == [one["id"], two["id"]]
    assert read_header(result.folder / FILE_NAME).environment == one["id"]
    kept = {file.name: json.loads(file.read_text()) for file in result.folder.glob("env*.json")}
    assert kept == {"environment.json": one, f"environment-{two['id']}.json": two}
    assert run(tmp_path, FakeExecutor(host="node-1"), plan).folder == result.folder
    again = run(tmp_path, FakeExecutor(host="node-1"), plan, fresh=True).folder
    compared = compare(tables.load(result.folder), tables.load(again))
    assert compared.changes.environment == ("cpu: node-2 -> node-1",)
    again = run(tmp_path, FakeExecutor(elsewhere, host="node-1"), plan, fresh=True).folder
    compared = compare(tables.load(result.folder), tables.load(again))
    assert compared.changes.environment == ()
    assert run(tmp_path, FakeExecutor(host="node-3"), plan).folder != result.folder


def test_jobs_without_a_result_from_the_executor_are_an_error(tmp_path: Path) -> None:
    class Forgetful(FakeExecutor):
        def events(self) -> Iterator[JobEvent]:
            yield from list(super().events())[:-1]

    with pytest.raises(CnnbenchError, match=r"the executor reported no end of 1 job$"):
        run(tmp_path, Forgetful())


def test_an_executor_elsewhere_does_not_claim_this_machine(tmp_path: Path) -> None:
    class Watched(MachineUse):
        def held(self, *_: object) -> Any:
            raise AssertionError("this machine measures nothing")

    result = run(tmp_path, FakeExecutor(host="node-1"), ROUNDS, machine=Watched())
    assert len(result.records) == 6


def test_an_error_of_an_executors_connection_is_reported_with_its_message(tmp_path: Path) -> None:
    def answer(request: JobRequest) -> JobResult:
        raise ConnectionResetError("node-1 closed the connection")

    with pytest.raises(UserError, match="the run cannot continue: node-1 closed the connection"):
        run(tmp_path, FakeExecutor(answer, host="node-1"))


def test_models_are_timed_side_by_side_without_a_suite_file(tmp_path: Path) -> None:
    def timed(request: JobRequest) -> JobResult:
        return JobResult("ok", metrics={"latency_location_s": 1.0, "reference_s": 1.0})

    executor = FakeExecutor(timed)
    records = side_by_side.timed(
        ["Alpha", "Beta"], ["litert"], 2, tmp_path, FakeCatalogue(), executor=executor
    )
    assert [(r.model, r.repeat) for r in records] == [
        ("Alpha", "prepare"), ("Beta", "prepare"), ("Alpha", 0), ("Beta", 0), ("Beta", 1),
        ("Alpha", 1),
    ]  # fmt: skip
    assert {request.setting["runtime"] for request in executor.requests} == {"litert"}
    with pytest.raises(UserError, match="litterd"):
        side_by_side.timed(["Alpha"], ["litterd"], 2, tmp_path, FakeCatalogue())
