"""How long a suite will take, from what earlier jobs took."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cnnbench.core.plan import Job
from cnnbench.core.record import Record
from cnnbench.running import estimate
from cnnbench.running.estimate import Pace
from cnnbench.store.journal import Header, Journal
from tests.core.fake import plan_of
from tests.store.records import record

PLAN = plan_of("""
name: two
models: [Alpha, Beta]
probes: {static: {batch_sizes: [1, 32]}}
""")
JOBS = [job for cell in PLAN.cells for job in cell.jobs()]


def took(
    seconds: float, model: str = "Alpha", batch_size: int = 1, probe: str = "static"
) -> Record:
    found = record(model, probe, setting={"batch_size": batch_size})
    return replace(found, duration_s=seconds)


def time_left(own: list[Record], others: list[Record], jobs: list[Job] = JOBS) -> float | None:
    return estimate.time_left(jobs, Pace(own), Pace(others))


def test_the_closest_job_is_the_judge() -> None:
    own = [took(1.0), took(10.0, batch_size=32)]
    assert time_left(own, [], JOBS[:1]) == 1
    assert time_left(own, [], JOBS[:2]) == 11
    assert time_left(own, []) == 11 + 2 * 5.5, "of Beta only the mean of others is known"


def test_this_run_comes_before_others() -> None:
    assert time_left([], [took(7.0)]) == 28
    assert time_left([took(1.0)], [took(7.0)]) == 4


def test_nothing_is_said_of_what_was_never_run() -> None:
    assert time_left([], []) is None
    assert time_left([], [took(7.0, probe="memory")]) is None
    assert time_left([replace(took(7.0), status="skipped")], []) is None


def test_what_was_skipped_when_last_tried_is_told_apart() -> None:
    skipped = replace(took(0.1), status="skipped")
    assert [Pace([skipped]).skips(job) for job in JOBS] == [True, False, False, False]
    assert not Pace([skipped, took(7.0)]).skips(JOBS[0])
    assert time_left([skipped], [took(7.0)]) == 3 * 7


def test_other_runs_of_this_environment_are_read_before_those_of_another(tmp_path: Path) -> None:
    def write(suite: str, time: str, environment: str, seconds: float) -> None:
        folder = tmp_path / suite / time
        folder.mkdir(parents=True)
        header = Header(plan="p", environment=environment, cnnbench="0")
        with Journal(folder / "records.jsonl", header) as journal:
            journal.append(took(seconds))

    assert estimate.earlier(tmp_path, "here") == []
    write("a", "20260101T000000Z", "elsewhere", 100.0)
    assert [r.duration_s for r in estimate.earlier(tmp_path, "here")] == [100]
    write("b", "20260101T000001Z", "here", 1.0)
    write("c", "20260101T000002Z", "here", 2.0)
    (tmp_path / "c" / "broken").mkdir()
    (tmp_path / "c" / "broken" / "records.jsonl").write_text("{}\n")
    assert [r.duration_s for r in estimate.earlier(tmp_path, "here")] == pytest.approx([1, 2])
