"""From jobs to records, with an executor that only says how they ended: nothing is measured."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cnnbench import __version__, environment
from cnnbench.cli import run as cli_run
from cnnbench.errors import UserError
from cnnbench.execution import runner
from cnnbench.execution.runner import Observer
from cnnbench.execution.worker import JobRequest, JobResult
from cnnbench.record import Record, Status
from cnnbench.results import tables
from cnnbench.results.journal import FILE_NAME, Header
from tests.suite.fake import plan_of

PLAN = plan_of("name: s\nmodels: [Alpha]\nprobes: {static: }\n")


class Executor:
    """Stands in for the real one: every order ends as `answer` says."""

    orders: list[JobRequest]
    answer: Callable[[JobRequest], JobResult]

    def __init__(self, *_: object) -> None: ...

    def __enter__(self) -> Executor:
        return self

    def __exit__(self, *_: object) -> None: ...

    def run(self, order: JobRequest, *_: object) -> JobResult:
        type(self).orders.append(order)
        return type(self).answer(order)


@pytest.fixture
def executor(monkeypatch: pytest.MonkeyPatch) -> type[Executor]:
    Executor.orders = []
    Executor.answer = staticmethod(lambda order: JobResult("ok", metrics={"params": 1.0}))
    monkeypatch.setattr(runner, "LocalExecutor", Executor)
    return Executor


def test_a_worker_is_told_whole_paths_and_the_user_those_that_he_gave(
    tmp_path: Path, executor: type[Executor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = runner.run(PLAN, PLAN.cells, Path("results"), Observer())
    assert result.folder.parent == Path("results/s")
    (order,) = executor.orders
    for place in (order.artifacts, order.scratch, order.log):
        assert Path(place).is_relative_to(tmp_path / result.folder)


@pytest.mark.parametrize("fresh", [False, True])
def test_what_is_published_is_never_continued(
    tmp_path: Path, executor: type[Executor], fresh: bool
) -> None:
    plan = plan_of("name: published\nmodels: [Alpha]\nprobes: {static: }\n")
    kept = tmp_path / "published" / "alpha" / FILE_NAME
    kept.parent.mkdir(parents=True)
    here = environment.environment_id(environment.fingerprint())
    kept.write_text(Header(plan.id, here, "0").to_json() + "\n")
    before = kept.read_bytes()
    with pytest.raises(UserError, match=r"s\.yaml:1: a suite cannot be called 'published'"):
        runner.run(plan, plan.cells, tmp_path, Observer(), fresh=fresh)
    with pytest.raises(UserError, match="cannot be called 'published'"):
        runner.open_run(plan, tmp_path, fresh)
    assert kept.read_bytes() == before and not executor.orders
    assert [path.name for path in kept.parent.parent.iterdir()] == ["alpha"]


def test_a_run_goes_on_only_with_the_version_that_began_it(
    tmp_path: Path, executor: type[Executor]
) -> None:
    first = runner.run(PLAN, PLAN.cells, tmp_path, Observer()).folder
    assert runner.run(PLAN, PLAN.cells, tmp_path, Observer()).folder == first
    journal = first / FILE_NAME
    journal.write_text(journal.read_text().replace(__version__, "0.0.1", 1))
    assert runner.run(PLAN, PLAN.cells, tmp_path, Observer()).folder != first


def test_a_copy_under_another_name_is_neither_continued_nor_the_newest(
    tmp_path: Path, executor: type[Executor]
) -> None:
    first = runner.run(PLAN, PLAN.cells, tmp_path, Observer()).folder
    copy = first.with_name("before-tuning")
    shutil.copytree(first, copy)
    assert runner.run(PLAN, PLAN.cells, tmp_path, Observer()).folder == first
    assert tables.load(tmp_path / "s").path == first
    shutil.rmtree(first)
    assert tables.load(tmp_path / "s").path == copy
    assert runner.run(PLAN, PLAN.cells, tmp_path, Observer()).folder != copy


def test_a_prepare_done_again_leaves_no_second_ok_and_its_failure_is_mended(
    tmp_path: Path, executor: type[Executor]
) -> None:
    plan = plan_of(
        "name: s\nmodels: [Alpha]\n"
        "probes: {latency: {runtimes: [graph], min_rounds: 2, max_rounds: 2}}\n"
    )
    (cell,) = plan.cells

    def ends(*statuses: Status) -> tuple[Record, ...]:
        """Run the suite, its jobs ending so; whatever an earlier prepare has made is lost."""
        left = iter(statuses)
        timed = {"latency_location_s": 1.0, "reference_s": 1.0}
        executor.answer = staticmethod(lambda order: JobResult(next(left), "so", metrics=timed))
        for run in tmp_path.glob("s/*"):
            shutil.rmtree(run / "artifacts" / cell.key, ignore_errors=True)
        return runner.run(plan, plan.cells, tmp_path, Observer()).records

    assert not cli_run._failed(plan.cells, ends("ok", "skipped"))
    assert not cli_run._failed(plan.cells, ends("skipped"))
    records = ends("failed")
    assert cli_run._failed(plan.cells, records)
    assert tables.report(records)["latency_p50_s_status@cpu/graph/b1"][0] == "failed: so"
    records = ends("ok", "ok", "ok")
    assert not cli_run._failed(plan.cells, records)
    assert "ok" in set(tables.report(records)["latency_location_s_status@cpu/graph/b1"])
    assert [(r.repeat, r.status) for r in records] == [
        ("prepare", "ok"), (0, "skipped"), ("prepare", "skipped"), ("prepare", "failed"),
        (0, "ok"), (1, "ok"),
    ]  # fmt: skip


def test_what_went_wrong_first_is_what_is_said(tmp_path: Path, executor: type[Executor]) -> None:
    def interrupt(order: JobRequest) -> JobResult:
        raise KeyboardInterrupt

    def broken(folder: Path) -> None:
        raise ValueError("no table can be made")

    executor.answer = staticmethod(interrupt)
    with pytest.raises(KeyboardInterrupt):
        runner.run(PLAN, PLAN.cells, tmp_path, Observer(), finish=broken)
