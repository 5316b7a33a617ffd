"""Estimated duration of a suite, from the durations of earlier jobs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cnnbench.execution import estimate
from cnnbench.execution.estimate import Pace
from cnnbench.record import Record
from cnnbench.results.journal import Header, Journal
from cnnbench.suite.plan import Job
from tests.records import record
from tests.suite.fake import plan_of

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
    return estimate.outlook(jobs, [Pace(own), Pace(others)]).seconds


def test_estimates_from_the_most_similar_job() -> None:
    own = [took(1.0), took(10.0, batch_size=32)]
    assert time_left(own, [], JOBS[:1]) == 1
    assert time_left(own, [], JOBS[:2]) == 11
    assert time_left(own, []) == 11 + 2 * 5.5, "of Beta only the mean of others is known"


def test_prefers_jobs_of_this_run() -> None:
    assert time_left([], [took(7.0)]) == 28
    assert time_left([took(1.0)], [took(7.0)]) == 4


def test_no_estimate_without_a_comparable_job() -> None:
    assert time_left([], []) is None
    assert time_left([], [took(7.0, probe="memory")]) is None
    assert time_left([replace(took(7.0), status="skipped")], []) is None


TRAINED = plan_of("""
name: trained
models: [Alpha, Beta]
probes:
  accuracy:
    - {dataset: digits, epochs: 2, train_examples: 500, seeds: 1}
    - {dataset: digits, epochs: 6, train_examples: 1000, seeds: 1}
    - {dataset: digits, epochs: 6, train_examples: 1000, seeds: 1, image_size: 64}
""")


def trained(setting: dict[str, object], seconds: float, **metrics: float) -> Record:
    return replace(record("Alpha", "accuracy", setting=setting, **metrics), duration_s=seconds)


def test_scales_training_by_epochs_images_and_pixels() -> None:
    jobs = [job for cell in TRAINED.cells[::2] for job in cell.jobs()]
    seen = trained(jobs[0].cell.setting_json, seconds=15.0, train_s=12.0, epoch_s=5.0)
    size = jobs[0].cell.setting_json["image_size"]
    assert [time_left([seen], [], [job]) for job in jobs] == pytest.approx(
        [15, 5 + 10 * 3 * 2, 5 + 10 * 3 * 2 * (64 / size) ** 2]
    ), "an epoch takes 5 s, all else 5 s: among it 2 s to trace the first"


def test_estimates_from_an_older_journal_with_fewer_fields() -> None:
    old = {"dataset": "digits", "image_size": TRAINED.cells[0].setting_json["image_size"]}
    seen = trained(old, seconds=15.0, train_s=10.0, epoch_s=2.0)
    assert time_left([seen], [], list(TRAINED.cells[0].jobs())) is not None


def test_does_not_estimate_training_from_feature_extraction() -> None:
    scratch = TRAINED.cells[0]
    transfer = {**scratch.setting_json, "recipe": "transfer"}
    seen = trained(transfer, seconds=9.0, train_s=8.0)
    assert time_left([seen], [], list(scratch.jobs())) is None

    fine_tuned = replace(seen, setting={**transfer, "fine_tune_epochs": 3})
    cell = replace(scratch, setting=type(scratch.setting).model_validate(fine_tuned.setting))
    assert time_left([seen], [], list(cell.jobs())) == 1 + 8 * (1 + 3)


def test_counts_jobs_that_were_skipped_last_time_separately() -> None:
    skipped = replace(took(0.1), status="skipped")
    assert [Pace([skipped]).skips(job) for job in JOBS] == [True, None, None, None]
    assert not Pace([skipped, took(7.0)]).skips(JOBS[0])
    assert time_left([skipped], [took(7.0)]) == 3 * 7
    assert time_left([], [skipped, took(7.0, batch_size=32)]) == 3 * 7, "an earlier run skipped it"
    assert time_left([took(1.0)], [skipped]) == 4 * 1, "but this run did not"
    told = estimate.outlook(JOBS, [Pace([skipped]), Pace([took(7.0)])])
    assert (told.jobs, told.skipped) == (3, 1)


ROUNDS = plan_of("""
name: rounds
models: [Alpha, Beta]
probes: {latency: {runtimes: [eager]}}
""")


def test_the_estimate_respects_the_time_limit_of_a_cell() -> None:
    setting = ROUNDS.cells[0].setting_json
    made = replace(record("Alpha", "latency", setting=setting, repeat="prepare"), duration_s=100.0)
    timed = replace(record("Alpha", "latency", setting=setting, repeat=1), duration_s=20.0)
    paces = [Pace([made, timed])]
    jobs = [job for cell in ROUNDS.cells for job in (cell.prepare, *cell.repeats[:6]) if job]
    whole = estimate.outlook(jobs, paces)
    assert (whole.jobs, whole.seconds) == (14, 2 * (100 + 6 * 20))
    capped = estimate.outlook(jobs, paces, cell_seconds=50)
    assert (capped.jobs, capped.seconds) == (8, 2 * (100 + 3 * 20)), "the third begins after 40 s"


def test_separates_runs_of_this_environment_from_others(tmp_path: Path) -> None:
    def write(suite: str, time: str, environment: str, seconds: float) -> None:
        folder = tmp_path / suite / time
        folder.mkdir(parents=True)
        header = Header(plan="p", environment=environment, cnnbench="0")
        with Journal(folder / "records.jsonl", header) as journal:
            journal.append(took(seconds))

    assert estimate.earlier(tmp_path, "here") == ([], [])
    write("a", "20260101T000000Z", "elsewhere", 100.0)
    write("b", "20260101T000001Z", "here", 1.0)
    write("c", "20260101T000002Z", "here", 2.0)
    (tmp_path / "c" / "broken").mkdir()
    (tmp_path / "c" / "broken" / "records.jsonl").write_text("{}\n")
    here, others = estimate.earlier(tmp_path, "here")
    assert [[r.duration_s for r in each] for each in (here, others)] == [[1, 2], [100]]


def test_uses_runs_of_other_machines_only_as_a_last_resort() -> None:
    paces = (Pace([took(1.0)]), Pace([took(5.0, batch_size=32)]), Pace([took(7.0, "Beta")]))
    assert estimate.outlook(JOBS, paces).seconds == 4 * 1, "this run knows the probe"
    assert estimate.outlook(JOBS, paces[1:]).seconds == 4 * 5
    assert estimate.outlook(JOBS, paces[2:]).seconds == 4 * 7


def test_does_not_estimate_fine_tuning_from_plain_conversion() -> None:
    plan = plan_of("""
name: compressed
models: [Alpha]
probes: {compression: {variants: [ptq-int8, pruned-50, pruned-80, pruned-50+qat-int8]}}
""")
    conversions = [
        cell for cell in plan.cells if cell.setting.kind().startswith("compression convert")
    ]

    def took_(variant: str, seconds: float) -> Record:
        setting = next(c.setting for c in conversions if c.variant == variant)
        found = record("Alpha", "compression", setting=setting.model_dump(mode="json"))
        return replace(found, duration_s=seconds)

    pace = Pace([took_("ptq-int8", 10.0), took_("pruned-50", 100.0)])
    seconds = {cell.variant: pace.of(job) for cell in conversions for job in cell.jobs()}
    assert (seconds["float32"], seconds["pruned-80"]) == (10.0, 100.0)
    assert seconds["pruned-50+qat-int8"] is None, "two steps take longer than one"
