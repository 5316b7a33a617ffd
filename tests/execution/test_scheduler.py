"""Order of jobs: rounds over all cells, odd ones in reverse, nothing twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from cnnbench.execution.scheduler import JobScheduler
from cnnbench.record import PREPARE, Record, Repeat, Status
from cnnbench.statistics import estimates
from cnnbench.suite.plan import Cell, Job, Plan
from tests.suite.fake import plan_of

PLAN = plan_of("""
name: s
models: [Alpha, Beta]
probes: {latency: {runtimes: [graph], min_rounds: 2, max_rounds: 4}}
""")


def record_of(
    job: Job, status: Status = "ok", seconds: float = 1.0, calls: Sequence[float] = ()
) -> Record:
    cell = job.cell
    return Record(
        key=job.key, attempt=1, model=cell.model.label, variant="float32", probe=cell.probe,
        setting=cell.setting_json, repeat=job.repeat, status=status, reason="",
        metrics={"latency_location_s": 1.0, "reference_s": 1.0}, duration_s=seconds,
        samples={"latency_s": list(calls)},
    )  # fmt: skip


def drive(
    plan: Plan,
    records: list[Record],
    answer: Callable[[Job], Status] = lambda job: "ok",
    cell_seconds: float | None = None,
    has_artifacts: Callable[[Cell], bool] | None = None,
    calls: Callable[[Job], Sequence[float]] = lambda job: (),
) -> list[tuple[str, Repeat]]:
    """Run a schedule to its end; a cell has its artifacts once it was prepared."""
    prepared = {r.model for r in records if r.repeat == PREPARE and r.status == "ok"}
    schedule = JobScheduler(
        plan.cells,
        records,
        cell_seconds,
        has_artifacts or (lambda cell: cell.model.label in prepared),
    )
    done = []
    for job in schedule:
        done.append((job.cell.model.label, job.repeat))
        record = record_of(job, answer(job), calls=calls(job))
        if job.repeat == PREPARE and record.status == "ok":
            prepared.add(job.cell.model.label)
        schedule.add(record)
        records.append(record)
    assert not list(schedule.left())
    return done


@pytest.fixture
def precise_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Make every cell precise enough after so many rounds."""

    def after(rounds: int) -> None:
        monkeypatch.setattr(estimates, "converged", lambda _, beside, __: len(beside) >= rounds)

    return after


def test_prepare_first_then_rounds_back_and_forth(precise_after: Callable[[int], None]) -> None:
    precise_after(3)
    assert drive(PLAN, []) == [
        ("Alpha", PREPARE), ("Beta", PREPARE),
        ("Alpha", 0), ("Beta", 0),
        ("Beta", 1), ("Alpha", 1),
        ("Alpha", 2), ("Beta", 2),
    ]  # fmt: skip


def test_never_fewer_than_the_least_nor_more_than_the_most(
    precise_after: Callable[[int], None],
) -> None:
    precise_after(1)
    assert len(drive(PLAN, [])) == 2 * (1 + 2)
    precise_after(99)
    assert len(drive(PLAN, [])) == 2 * (1 + 4)


def test_an_interrupted_suite_goes_on_in_its_round(precise_after: Callable[[int], None]) -> None:
    precise_after(3)
    records: list[Record] = []
    whole = drive(PLAN, records)
    for cut in range(len(whole) + 1):
        again = records[:cut]
        assert whole[:cut] + drive(PLAN, list(again)) == whole


def test_a_cell_that_failed_is_closed_for_this_run_and_tried_again_in_the_next(
    precise_after: Callable[[int], None],
) -> None:
    precise_after(2)
    records: list[Record] = []

    def beta_breaks_in_round_1(job: Job) -> Status:
        return "failed" if (job.cell.model.label, job.repeat) == ("Beta", 1) else "ok"

    first = drive(PLAN, records, beta_breaks_in_round_1)
    assert first.count(("Beta", 1)) == 1
    assert ("Beta", 2) not in first
    assert ("Alpha", 1) in first
    assert drive(PLAN, records) == [("Beta", 1)]


def test_without_its_prepare_a_cell_has_no_rounds(precise_after: Callable[[int], None]) -> None:
    precise_after(2)
    skipped = drive(PLAN, [], lambda job: "skipped" if job.repeat == PREPARE else "ok")
    assert skipped == [("Alpha", PREPARE), ("Beta", PREPARE)]


def test_lost_artifacts_are_made_again_only_where_rounds_are_missing(
    precise_after: Callable[[int], None],
) -> None:
    precise_after(2)
    records: list[Record] = []
    drive(PLAN, records)
    assert drive(PLAN, list(records), has_artifacts=lambda cell: False) == []
    without_last = records[:-1]
    made: set[str] = set()

    def has_artifacts(cell: Cell) -> bool:
        was_there = cell.model.label in made
        made.add(cell.model.label)
        return was_there

    assert drive(PLAN, without_last, has_artifacts=has_artifacts)[-1] == ("Alpha", 1)


def test_a_cells_time_is_capped(precise_after: Callable[[int], None]) -> None:
    precise_after(99)
    done = drive(PLAN, [], cell_seconds=2.5)
    assert [repeat for model, repeat in done if model == "Alpha"] == [PREPARE, 0, 1, 2]


def test_what_is_left_is_no_more_than_a_cells_time_holds() -> None:
    cell = PLAN.cells[0]
    records = [record_of(job) for job in list(cell.jobs())[:2]]  # prepare, and a round of a second

    def left(seconds: float | None, at_most: bool) -> int:
        schedule = JobScheduler([cell], records, seconds, lambda cell: True)
        return len(list(schedule.left(at_most)))

    assert (left(None, False), left(None, True)) == (1, 3)
    assert (left(2.5, False), left(2.5, True)) == (1, 2), "the third begins before 2.5 s are over"


def test_old_failures_do_not_close_a_cell() -> None:
    job = next(PLAN.cells[0].jobs())
    schedule = JobScheduler(PLAN.cells, [record_of(job, "failed")], None, lambda cell: False)
    assert next(iter(schedule)).key == job.key


@pytest.mark.parametrize(
    ("locations", "references", "rounds"),
    [
        ([1.00, 1.01, 0.99, 1.00, 1.01, 0.99], [1.0] * 6, 6),
        ([1.0, 1.3, 0.8, 1.2, 0.7, 1.4], [1.0] * 6, 12),
        ([1.0, 1.1, 1.2, 1.05, 1.15, 1.0], [1.0, 1.1, 1.2, 1.05, 1.15, 1.0], 6),
    ],
    ids=["precise", "noisy", "drifting with its reference"],
)
def test_a_cell_ends_when_its_interval_is_as_narrow_as_asked(
    locations: list[float], references: list[float], rounds: int
) -> None:
    """With the very statistics: within 5 %, the drift that the reference shows taken out."""
    plan = plan_of("""
name: s
models: [Alpha]
probes: {latency: {runtimes: [litert], precision: 5%, min_rounds: 6, max_rounds: 12}}
""")
    schedule = JobScheduler(plan.cells, [], None, lambda cell: True)
    done = 0
    for job in schedule:
        record = record_of(job)
        if job.repeat != PREPARE:
            place = done % len(locations)
            timed = {
                "latency_location_s": 0.01 * locations[place],
                "reference_s": 0.003 * references[place],
            }
            record = replace(record, metrics=timed)
            done += 1
        schedule.add(record)
    assert done == rounds


def test_rounds_go_on_while_the_median_that_is_shown_is_not_precise() -> None:
    """The location is 1 s in every round; of Beta every other round has slower calls."""
    plan = plan_of("""
name: s
models: [Alpha, Beta]
probes: {latency: {runtimes: [graph], precision: 5%}}
""")

    def calls(job: Job) -> list[float]:
        is_slow = job.cell.model.label == "Beta" and job.repeat != PREPARE and job.repeat % 2
        return [1.0] * 5 + [1.5 if is_slow else 1.1] * 15

    done = drive(plan, [], calls=calls)
    rounds = [name for name, repeat in done if repeat != PREPARE]
    assert (rounds.count("Alpha"), rounds.count("Beta")) == (6, 12)
