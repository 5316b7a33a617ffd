"""Runs on a cluster that is made up: the journal, lost nodes, and going on."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import pytest

from cnnbench.errors import UserError
from cnnbench.execution import runner
from cnnbench.execution.executor import node_lost
from cnnbench.execution.job import JobRequest, JobResult
from cnnbench.execution.observer import Observer
from cnnbench.record import Record, standing
from cnnbench.results import tables
from cnnbench.suite.plan import Job
from tests.execution.fake import FakeCluster, FakeExecutor
from tests.suite.fake import plan_of

PLAN = plan_of("""
name: s
models: [Alpha, Beta]
probes:
  latency: {runtimes: [graph, litert], min_rounds: 3, max_rounds: 3}
  accuracy: {dataset: digits, recipe: scratch, image_size: 32, epochs: 2, seeds: 2}
""")


class Listener(Observer):
    def __init__(self) -> None:
        self.nodes: Mapping[str, str] = {}
        self.warnings: list[str] = []
        self.placed: dict[str, str] = {}

    def warns(self, message: str) -> None:
        self.warnings.append(message)

    def runs_on(self, nodes: Mapping[str, str]) -> None:
        self.nodes = nodes

    def job_placed(self, job: Job, host: str) -> None:
        self.placed[job.key] = host


def run(out: Path, executor: FakeExecutor, observer: Observer | None = None) -> list[Record]:
    observer = observer or Observer()
    return list(runner.run(PLAN, PLAN.cells, out, observer, executor=executor).records)


def answer(request: JobRequest) -> JobResult:
    """Return a latency that shows which machine measured it."""
    seconds = {"a": 1.0, "b": 2.0, "c": 3.0}.get(request.host, 9.0)
    if request.probe == "accuracy":
        return JobResult("ok", metrics={"top1": 0.5})
    return JobResult("ok", metrics={"latency_location_s": seconds, "reference_s": 1.0})


def hosts_of_columns(records: list[Record]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for record in standing(records):
        if record.probe == "latency" and record.status == "ok":
            found[record.setting["runtime"]].add(record.host)
    return dict(found)


def assert_whole(records: list[Record]) -> None:
    ok = [record.key for record in standing(records) if record.status == "ok"]
    assert len(ok) == len(set(ok)) == sum(1 for cell in PLAN.cells for _ in cell.jobs())
    assert all(len(hosts) == 1 for hosts in hosts_of_columns(records).values())
    assert not runner.has_failures(PLAN.cells, records)


def test_every_record_names_its_machine_and_a_column_has_one(tmp_path: Path) -> None:
    listener = Listener()
    records = run(tmp_path, FakeCluster(answer), listener)
    assert_whole(records)
    assert listener.nodes == {"a": "node a", "b": "node b"}
    assert listener.warnings == ["a node is left out: c: it is slow"]
    assert listener.placed == {record.key: record.host for record in records}
    assert set.union(*hosts_of_columns(records).values()) == {"a", "b"}
    again = FakeCluster(answer)
    assert run(tmp_path, again) == records and not again.requests


def test_what_a_lost_node_measured_is_measured_again_and_not_pooled(tmp_path: Path) -> None:
    lost: list[str] = []

    def loses_a(request: JobRequest) -> JobResult:
        if request.host == "a" and request.probe == "latency" and request.repeat == 2:
            lost.append(request.id)
            return node_lost("a")
        return answer(request)

    executor = FakeCluster(loses_a)
    records = run(tmp_path, executor)
    assert len(lost) == 1
    assert_whole(records)
    assert set.union(*hosts_of_columns(records).values()) == {"b"}
    (folder,) = (tmp_path / "s").iterdir()
    samples = [
        row.read(name).samples
        for row in tables.load(folder).measured
        for name in row.values
        if name.startswith("latency_location_s@")
    ]
    assert samples == [(2.0, 2.0, 2.0)] * 4, "three rounds on b, none of those on a"
    ended = [r for r in records if r.key == lost[0]]
    assert [(r.status, r.reason) for r in ended] == [("failed", "node lost"), ("ok", "")]
    assert [r.attempt for r in ended] == [1, 2]


def test_a_run_whose_nodes_are_all_lost_goes_on_with_others(tmp_path: Path) -> None:
    def loses_all(request: JobRequest) -> JobResult:
        return node_lost(request.host) if request.repeat == 1 else answer(request)

    with pytest.raises(UserError, match="every node of the cluster was lost"):
        run(tmp_path, FakeCluster(loses_all))
    records = run(tmp_path, FakeCluster(answer, ["c"]))
    assert_whole(records)
    assert hosts_of_columns(records) == {"graph": {"c"}, "litert": {"c"}}


def test_a_run_of_a_cluster_goes_on_elsewhere_without_pooling(tmp_path: Path) -> None:
    left = iter(range(9))

    def interrupts(request: JobRequest) -> JobResult:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return answer(request)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, FakeCluster(interrupts))
    records = run(tmp_path, FakeExecutor(answer, host="node"))
    assert_whole(records)
    counted = [r for r in records if r.status == "ok" and r.host]
    assert counted, "some were measured on the cluster"


def test_the_fastest_readings_stay_with_their_machine(tmp_path: Path) -> None:
    def reads(request: JobRequest) -> JobResult:
        reading = {"a": 1.0, "b": 2.0}[request.host]
        assert request.fastest.get("calls", reading) == reading
        found = answer(request)
        return JobResult("ok", metrics=found.metrics, details={"fastest": {"calls": reading}})

    assert_whole(run(tmp_path, FakeCluster(reads)))


def test_the_journal_alone_tells_what_is_void(tmp_path: Path) -> None:
    def loses_a(request: JobRequest) -> JobResult:
        is_last = request.probe == "latency" and request.repeat == 2
        return node_lost("a") if request.host == "a" and is_last else answer(request)

    run(tmp_path, FakeCluster(loses_a))
    (journal,) = tmp_path.glob("s/*/records.jsonl")
    lines = [json.loads(line) for line in journal.read_text().splitlines()[1:]]
    void = [line["key"] for line in lines if line["details"].get("node_lost") == "a"]
    assert len(void) == len(set(void)) > 1
    executor = FakeCluster(answer, ["b"])
    run(tmp_path, executor)
    assert not executor.requests
