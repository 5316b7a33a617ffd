"""Order of the jobs, which of them are left, and when a cell ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from cnnbench.execution.scheduler import JobScheduler
from cnnbench.record import PREPARE, Record, Repeat, Status
from cnnbench.suite.plan import Cell, Job, Plan
from tests.suite.fake import plan_of


def plan_with(min_rounds: int, max_rounds: int) -> Plan:
    return plan_of(f"""
name: s
models: [Alpha, Beta]
probes: {{latency: {{runtimes: [graph], min_rounds: {min_rounds}, max_rounds: {max_rounds}}}}}
""")


TWO_ROUNDS, THREE_ROUNDS = plan_with(2, 2), plan_with(3, 3)
TWO_TO_FOUR_ROUNDS = plan_with(2, 4)  # fewer than six are never precise


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
    """Run a schedule to its end; a cell has its artifacts after its prepare job."""
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


def test_prepares_first_and_reverses_every_other_round() -> None:
    assert drive(THREE_ROUNDS, []) == [
        ("Alpha", PREPARE), ("Beta", PREPARE),
        ("Alpha", 0), ("Beta", 0),
        ("Beta", 1), ("Alpha", 1),
        ("Alpha", 2), ("Beta", 2),
    ]  # fmt: skip


def test_runs_at_least_min_rounds_and_at_most_max_rounds() -> None:
    plan = plan_with(6, 8)
    assert len(drive(plan, [])) == 2 * (1 + 6), "equal latencies are precise"
    noisy = iter(range(1, 100))
    assert len(drive(plan, [], calls=lambda job: [float(next(noisy))] * 20)) == 2 * (1 + 8)


def test_an_interrupted_run_continues_in_the_same_round() -> None:
    records: list[Record] = []
    whole = drive(THREE_ROUNDS, records)
    for cut in range(len(whole) + 1):
        again = records[:cut]
        assert whole[:cut] + drive(THREE_ROUNDS, list(again)) == whole


def test_a_failed_cell_is_skipped_until_the_next_run() -> None:
    records: list[Record] = []

    def beta_breaks_in_round_1(job: Job) -> Status:
        return "failed" if (job.cell.model.label, job.repeat) == ("Beta", 1) else "ok"

    first = drive(TWO_ROUNDS, records, beta_breaks_in_round_1)
    assert first.count(("Beta", 1)) == 1
    assert ("Beta", 2) not in first
    assert ("Alpha", 1) in first
    assert drive(TWO_ROUNDS, records) == [("Beta", 1)]


def test_a_cell_whose_prepare_job_was_skipped_has_no_rounds() -> None:
    skipped = drive(TWO_ROUNDS, [], lambda job: "skipped" if job.repeat == PREPARE else "ok")
    assert skipped == [("Alpha", PREPARE), ("Beta", PREPARE)]


def test_prepares_again_only_if_artifacts_and_rounds_are_missing() -> None:
    records: list[Record] = []
    drive(TWO_ROUNDS, records)
    assert drive(TWO_ROUNDS, list(records), has_artifacts=lambda cell: False) == []
    without_last = records[:-1]
    made: set[str] = set()

    def has_artifacts(cell: Cell) -> bool:
        was_there = cell.model.label in made
        made.add(cell.model.label)
        return was_there

    assert drive(TWO_ROUNDS, without_last, has_artifacts=has_artifacts)[-1] == ("Alpha", 1)


def test_a_cell_stops_at_its_time_limit() -> None:
    done = drive(TWO_TO_FOUR_ROUNDS, [], cell_seconds=2.5)
    assert [repeat for model, repeat in done if model == "Alpha"] == [PREPARE, 0, 1, 2]


def test_the_jobs_left_fit_into_the_time_limit_of_the_cell() -> None:
    cell = TWO_TO_FOUR_ROUNDS.cells[0]
    records = [record_of(job) for job in list(cell.jobs())[:2]]  # prepare, and a round of a second

    def left(seconds: float | None, at_most: bool) -> int:
        schedule = JobScheduler([cell], records, seconds, lambda cell: True)
        return len(list(schedule.left(at_most)))

    assert (left(None, False), left(None, True)) == (1, 3)
    assert (left(2.5, False), left(2.5, True)) == (1, 2), "the third begins before 2.5 s are over"


def test_tries_a_cell_again_that_failed_in_an_earlier_run() -> None:
    job = next(TWO_TO_FOUR_ROUNDS.cells[0].jobs())
    schedule = JobScheduler(
        TWO_TO_FOUR_ROUNDS.cells, [record_of(job, "failed")], None, lambda cell: False
    )
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
def test_a_cell_ends_when_its_interval_is_within_the_requested_precision(
    locations: list[float], references: list[float], rounds: int
) -> None:
    """Drift that the reference shares does not count."""
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


def test_measures_until_the_median_is_precise_too() -> None:
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
