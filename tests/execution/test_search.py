"""Search for the answer to a question: its order, and what it leaves out, by hand-made records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from cnnbench.execution.scheduler import JobScheduler
from cnnbench.execution.search import Search
from cnnbench.execution.search.search import final_gap
from cnnbench.record import PREPARE, Record
from cnnbench.suite.plan import Job, Plan
from tests.suite.fake import plan_of

ALPHA, BETA, MOBILE = MODELS = ("Alpha", "Beta", "MobileNetV2")
SUITE = """
name: s
models: [Alpha, Beta, MobileNetV2]
probes:
  static:
  latency: {runtimes: [litert], min_rounds: 6, max_rounds: 6}
  accuracy: {dataset: digits, image_size: 32, epochs: 8, seeds: 3}
"""
PLAN = plan_of(
    SUITE + "question: {maximize: top1, max: {latency_p50: 10ms, file: 6MB, params: 5M}}"
)
OBJECTIVE, SHORT = (f"top1@digits/scratch/32px/{epochs}ep" for epochs in (8, 1))
EQUAL: dict[str, Any] = {"params": 1e6, "file": 4e6, "seconds": 0.005, "top1": 0.8}
_CALLS = [1 + 0.001 * call for call in range(20)]

Facts = Mapping[str, Mapping[str, Any]]


def record_of(job: Job, facts: Facts) -> Record:
    """Return the record of a job, as the facts of its model determine it."""
    cell, own = job.cell, {**EQUAL, **facts.get(job.cell.model.label, {})}
    metrics: dict[str, float] = {}
    samples, details = {}, {}
    if cell.setting.is_light:
        metrics = {"params": own["params"]}
    elif job.repeat == PREPARE:
        metrics = {"file_bytes": own["file"]}
    elif cell.setting.repeats_are_seeds:
        top1 = own.get(f"top1 after {cell.setting_json['epochs']}", own["top1"])
        values = top1 if isinstance(top1, Sequence) else [top1 + 0.002 * n for n in (0, 1, -1)]
        metrics = {"top1": values[job.repeat]}
        details = {"n_test": 10_000, "chance": 0.1}
    else:
        times = own["seconds"] if isinstance(own["seconds"], Sequence) else [own["seconds"]]
        seconds = times[job.repeat % len(times)]
        metrics = {"latency_location_s": seconds, "reference_s": 0.001}
        samples = {"latency_s": [seconds * call for call in _CALLS]}
    status = own.get(f"{cell.probe} status", "ok")
    return Record(
        key=job.key, attempt=1, model=cell.model.label, variant=cell.variant, probe=cell.probe,
        setting=cell.setting_json, repeat=job.repeat, status=status,
        reason="" if status == "ok" else "so", input_shape=tuple(cell.input_and_classes[0]),
        classes=cell.input_and_classes[1], metrics=metrics if status == "ok" else {},
        samples=samples, details=details, environment="e", duration_s=1.0,
    )  # fmt: skip


def search(
    facts: Facts, plan: Plan = PLAN, records: list[Record] | None = None
) -> tuple[list[str], dict[str, str]]:
    """Run a search to its end; return its jobs in order, and what it left out."""
    assert plan.question
    records = [] if records is None else records
    prepared = {r.key for r in records if r.repeat == PREPARE}
    schedule = JobScheduler(
        plan.cells,
        records,
        None,
        lambda cell: cell.prepare is not None and cell.prepare.key in prepared,
        Search(plan.question, plan.cells),
    )
    done = []
    for job in schedule:
        assert job is not None
        done.append(f"{job.cell.model.label} {job.cell.probe} {job.repeat}")
        record = record_of(job, facts)
        if job.repeat == PREPARE and record.status == "ok":
            prepared.add(job.key)
        schedule.add(record)
        records.append(record)
    assert not list(schedule.left())
    return done, {network[0]: reason for network, reason in schedule.left_out.items()}


def jobs(done: Sequence[str], model: str, probe: str) -> int:
    return sum(name.startswith(f"{model} {probe} ") for name in done)


def test_measures_in_the_order_of_cost() -> None:
    done, left_out = search({})
    probes = [name.split()[1] for name in done]
    assert probes == ["static"] * 3 + ["latency"] * 3 * 7 + ["accuracy"] * 3 * 3
    assert done[3:6] == [f"{model} latency {PREPARE}" for model in MODELS]
    assert not left_out


@pytest.mark.parametrize(
    ("facts", "reason", "converted", "rounds"),
    [
        ({"params": 6e6}, "params is 6 M, 1 M (20 %) over 5 M", 0, 0),
        ({"file": 13.8e6}, "file_bytes is 13.8 MB, 2.30 times the limit of 6 MB", 1, 0),
        ({"seconds": [0.02, 0.021, 0.022]}, "times the limit of 10 ms", 1, 6),
    ],
    ids=["a count", "the size of its file", "a latency"],
)
def test_leaves_out_what_is_beyond_a_limit(
    facts: dict[str, Any], reason: str, converted: int, rounds: int
) -> None:
    done, left_out = search({BETA: facts})
    assert list(left_out) == [BETA] and reason in left_out[BETA]
    assert jobs(done, BETA, "latency") == converted + rounds
    assert jobs(done, BETA, "accuracy") == 0
    assert jobs(done, ALPHA, "accuracy") == 3


def test_keeps_a_network_whose_interval_straddles_its_limit() -> None:
    done, left_out = search({BETA: {"seconds": [0.008, 0.009, 0.0105, 0.011, 0.0095, 0.0102]}})
    assert not left_out
    assert jobs(done, BETA, "accuracy") == 3


def test_a_network_that_is_far_behind_after_its_first_seed_gets_no_other() -> None:
    done, left_out = search({ALPHA: {"top1": 0.9}, BETA: {"top1": 0.7}})
    assert jobs(done, BETA, "accuracy") == 1
    assert jobs(done, ALPHA, "accuracy") == 3
    assert left_out[BETA].startswith(f"{OBJECTIVE} is 70.0 %, significantly behind Alpha")


def test_a_network_gets_all_seeds_while_seeds_differ_as_much_as_networks() -> None:
    facts = {ALPHA: {"top1": [0.85, 0.79, 0.82]}, BETA: {"top1": [0.80, 0.86, 0.82]}}
    done, left_out = search(facts)
    assert jobs(done, BETA, "accuracy") == jobs(done, MOBILE, "accuracy") == 3
    assert not left_out


def test_nothing_is_compared_with_a_network_that_may_break_a_limit() -> None:
    straddles = {"seconds": [0.008, 0.009, 0.0105, 0.011, 0.0095, 0.0102]}
    done, left_out = search(
        {ALPHA: {"top1": 0.95, **straddles}, BETA: straddles, MOBILE: straddles}
    )
    assert not left_out
    assert jobs(done, BETA, "accuracy") == 3


@pytest.mark.parametrize("status", ["failed", "skipped"])
def test_leaves_out_a_network_without_a_number_that_decides_until_it_has_one(status: str) -> None:
    records: list[Record] = []
    done, left_out = search({BETA: {"latency status": status}}, records=records)
    assert jobs(done, BETA, "accuracy") == 0
    assert left_out[BETA] == f"latency_p50_s@cpu/litert/b1: {status}: so"
    done, left_out = search({}, records=records)
    assert jobs(done, BETA, "latency") == 7 and jobs(done, BETA, "accuracy") == 3
    assert not left_out


FACTS: Facts = {
    ALPHA: {"top1": 0.9}, BETA: {"top1": 0.7}, MOBILE: {"seconds": [0.02, 0.021, 0.022]},
}  # fmt: skip


def test_an_interrupted_search_comes_to_the_same_decisions() -> None:
    records: list[Record] = []
    whole, left_out = search(FACTS, records=records)
    for cut in range(0, len(whole) + 1, 5):
        done, again = search(FACTS, records=records[:cut])
        assert whole[:cut] + done == whole
        assert again == left_out


def test_decisions_ignore_what_the_search_did_not_ask_for() -> None:
    """As in a journal of `--everything`: further seeds make Beta the best."""
    facts = {ALPHA: {"top1": 0.9}, BETA: {"top1": [0.7, 1.0, 1.0]}, MOBILE: {"top1": 0.9}}
    complete = [record_of(job, facts) for cell in PLAN.cells for job in cell.jobs()]
    assert PLAN.question
    state = Search(PLAN.question, PLAN.cells).state(complete, lambda job: False)
    assert [network[0] for network in state.left_out] == [BETA]
    asked = [r for r in complete if r.key in state.asked and r.model == BETA]
    assert [r.repeat for r in asked if r.probe == "accuracy"] == [0]


def test_records_of_what_was_left_out_decide_nothing() -> None:
    records: list[Record] = []
    search(FACTS, records=records)
    details = {"left_out": {"repeats": 2, "seconds": None}}
    job = next(c for c in PLAN.cells if c.probe == "accuracy" and c.model.label == BETA).repeats[1]
    omitted = replace(record_of(job, {}), status="skipped", metrics={}, details=details)
    assert search(FACTS, records=[*records, omitted]) == search(FACTS, records=records)


RUNGS = plan_of(SUITE + "question: {maximize: top1, rungs: [1]}")


def test_a_short_training_leaves_out_only_those_of_the_lower_half_that_are_behind() -> None:
    facts = {
        ALPHA: {"top1 after 1": 0.8, "top1": 0.85},
        BETA: {"top1 after 1": 0.7, "top1": 0.9},
        MOBILE: {"top1 after 1": 0.6, "top1": 0.95},
    }
    done, left_out = search(facts, RUNGS)
    assert left_out == {
        MOBILE: f"{SHORT} is 60.1 %, significantly behind Alpha (20.0 points)",
        ALPHA: f"{OBJECTIVE} is 85.0 %, significantly behind Beta (5.1 points)",
    }
    accuracy = {model: jobs(done, model, "accuracy") for model in MODELS}
    assert accuracy == {ALPHA: 2 + 1, BETA: 2 + 3, MOBILE: 2}


def test_a_distance_is_extrapolated_in_the_logarithm_of_the_training() -> None:
    assert final_gap([0.10, 0.06], [1, 2, 8]) == pytest.approx(0.06 - 2 * 0.04)
    assert final_gap([0.10, 0.09], [1, 2, 8]) == pytest.approx(0.09 - 2 * 0.01)
    assert final_gap([0.05, 0.06], [1, 2, 8]) == 0.06, "a distance that grows stays"


@pytest.mark.parametrize(("after_2", "stays"), [(0.78, True), (0.71, False)])
def test_a_network_that_is_catching_up_stays(after_2: float, stays: bool) -> None:
    """Seeds after one epoch differ so much that the first rung tells nothing."""
    plan = plan_of(SUITE + "question: {maximize: top1, rungs: [1, 2]}")
    best = {"top1 after 1": [0.7, 0.9], "top1 after 2": 0.82, "top1": 0.85}
    own = {"top1 after 1": [0.6, 0.8], "top1 after 2": after_2, "top1": 0.9}
    _, left_out = search({ALPHA: best, BETA: best, MOBILE: own}, plan)
    assert (MOBILE not in left_out) is stays


def test_short_trainings_are_cells_with_two_seeds_and_change_no_other_key() -> None:
    plain = {job.key for cell in plan_of(SUITE).cells for job in cell.jobs()}
    short = [cell for cell in RUNGS.cells if cell.prepare is None and cell.rule.at_most == 2]
    assert [(c.model.label, c.setting_json["epochs"]) for c in short] == [(m, 1) for m in MODELS]
    assert {job.key for cell in RUNGS.cells if cell not in short for job in cell.jobs()} == plain


def test_trains_the_fastest_first_if_the_latency_decides() -> None:
    plan = plan_of(SUITE + "question: {minimize: latency_p50, min: {top1: 80%}}")
    facts = {
        ALPHA: {"seconds": 0.009, "top1": 0.9},
        BETA: {"seconds": 0.005, "top1": 0.9},
        MOBILE: {"seconds": 0.002, "top1": 0.7},
    }
    done, left_out = search(facts, plan)
    trained = [name.split()[0] for name in done if " accuracy " in name]
    assert trained == [MOBILE] * 2 + [BETA] * 3, "two seeds show that the first is too bad"
    assert "9.9 points under 80.0 %" in left_out[MOBILE]
    assert "significantly behind Beta (4.04 ms)" in left_out[ALPHA]


def test_a_network_that_no_entry_serves_cannot_win() -> None:
    text = SUITE.replace("accuracy: {", "accuracy: {models: [Alpha, Beta], ")
    done, left_out = search({}, plan_of(text + "question: {maximize: top1}"))
    assert left_out == {MOBILE: f"no cell of this suite measures {OBJECTIVE} for it"}
    assert [name for name in done if name.startswith(MOBILE)] == [f"{MOBILE} static 0"]


def test_what_decides_nothing_is_measured_last_and_only_of_what_is_left() -> None:
    text = SUITE.replace("  static:", "  static:\n  memory:")
    plan = plan_of(text + "question: {maximize: top1, max: {file: 6MB}}")
    done, left_out = search({ALPHA: {"top1": 0.9}, BETA: {"top1": 0.7}}, plan)
    assert done[-1].split()[:2] == [ALPHA, "memory"]
    assert sum(" memory " in name for name in done) == 1
    assert set(left_out) == {BETA, MOBILE}


def test_the_training_that_a_variant_needs_is_kept_while_the_variant_may_win() -> None:
    plan = plan_of("""
name: s
models: [Alpha, Beta]
probes:
  compression:
    training: {dataset: digits, image_size: 32}
    variants: [ptq-int8]
question: {maximize: top1, max: {file: 6MB}}
""")
    assert plan.question
    float32, int8 = (
        next(c.network for c in plan.cells if c.network[:2] == (ALPHA, variant))
        for variant in ("float32", "ptq-int8")
    )
    train = next(c for c in plan.cells if c.setting.stage() == 0 and c.model.label == ALPHA)
    found = Search(plan.question, plan.cells)
    first = found.state([], lambda job: True).wave
    assert [job.cell for job in first] == [c for c in plan.cells if c.setting.stage() == 0]
    assert found.needs(train, {float32: "too large"})
    assert not found.needs(train, {float32: "too large", int8: "too large"})
