"""Placement of jobs on the machines of a cluster, with a clock and results that are made up."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cnnbench.execution.executor import Node
from cnnbench.execution.placement import Placement
from cnnbench.execution.planned_job import voided
from cnnbench.execution.scheduler import MOST_LOSSES, JobScheduler
from cnnbench.record import HOST, NODE_LOST, PREPARE, Record, Repeat, Status, standing
from cnnbench.suite.plan import Job, Plan
from tests.suite.fake import plan_of

A, B, C = Node("a", 2), Node("b", 2), Node("c", 2)
COLUMNS = plan_of("""
name: s
models: [Alpha, Beta]
probes:
  static: {batch_sizes: [1, 2]}
  latency: {runtimes: [graph, litert], min_rounds: 2, max_rounds: 2}
  accuracy: {dataset: digits, recipe: scratch, image_size: 32, epochs: 2, seeds: 3}
""")


def record_of(job: Job, host: str = "", status: Status = "ok", attempt: int = 1) -> Record:
    cell = job.cell
    return Record(
        key=job.key, attempt=attempt, model=cell.model.label, variant="float32", probe=cell.probe,
        setting=cell.setting_json, repeat=job.repeat, status=status, reason="",
        metrics={"latency_location_s": 1.0, "reference_s": 1.0}, duration_s=1.0,
        details={HOST: host} if host else {},
    )  # fmt: skip


class Cluster:
    """Runs what a placement hands out, the job that began first ends first."""

    def __init__(self, plan: Plan, nodes: Sequence[Node], records: Sequence[Record] = ()) -> None:
        self.records = list(records)
        prepared = {r.model for r in standing(self.records) if r.repeat == PREPARE}
        self._prepared = prepared
        self.scheduler = JobScheduler(
            plan.cells, self.records, None, lambda cell: cell.model.label in prepared
        )
        self.placement = Placement(self.scheduler, nodes)
        self.void(self.placement.begun_elsewhere())
        self.running: list[tuple[Job, str]] = []
        self.ran: list[tuple[Job, str]] = []

    def fill(self) -> None:
        while (found := self.placement.take()) is not None:
            self.running.append(found)
            self.check()

    def end(self, status: Status = "ok") -> None:
        job, host = self.running.pop(0)
        self.ran.append((job, host))
        if job.repeat == PREPARE:
            self._prepared.add(job.cell.model.label)
        self.add(record_of(job, host, status))
        self.placement.ended(job, host)

    def lose(self, host: str) -> None:
        for job, _ in [found for found in self.running if found[1] == host]:
            self.running.remove((job, host))
            lost = record_of(job, host, "failed")
            lost.details[NODE_LOST] = host
            self.add(lost)
            self.void(self.placement.lose(host))
            self.placement.ended(job, host, is_lost=True)

    def add(self, record: Record) -> None:
        self.records.append(record)
        self.scheduler.add(record)

    def void(self, results: Sequence[Record]) -> None:
        for record in results:
            self.records.append(voided(record, record.attempt + 1))
            self.scheduler.make_void(self.records[-1])

    def finish(self, status: Callable[[Job], Status] = lambda job: "ok") -> None:
        self.fill()
        while self.running:
            self.end(status(self.running[0][0]))
            self.fill()

    def check(self) -> None:
        """Check that no machine runs more than it may."""
        for host in {host for _, host in self.running}:
            jobs = [job for job, place in self.running if place == host]
            is_shared = all(job.cell.setting.is_light for job in jobs)
            assert len(jobs) <= (2 if is_shared else 1)


def ok_of(cluster: Cluster) -> list[Record]:
    return [record for record in standing(cluster.records) if record.status == "ok"]


def hosts_of(cluster: Cluster, column: str) -> set[str]:
    """Return the machines whose results of a column count."""
    labels = {job.key: job.cell.setting.label() for job, _ in cluster.ran}
    return {record.host for record in ok_of(cluster) if labels.get(record.key) == column}


def assert_whole(cluster: Cluster) -> None:
    keys = [record.key for record in ok_of(cluster)]
    assert len(keys) == len(set(keys)) == sum(1 for c in COLUMNS.cells for _ in c.jobs())
    for column in ("cpu/graph/b1", "cpu/litert/b1"):
        assert len(hosts_of(cluster, column)) == 1


def test_counts_share_a_machine_and_other_jobs_have_it_alone() -> None:
    cluster = Cluster(COLUMNS, [A])
    cluster.fill()
    assert [job.cell.probe for job, _ in cluster.running] == ["static", "static"]
    cluster.end()
    cluster.fill()
    assert len(cluster.running) == 2, "a third count takes the slot that is free"
    cluster.finish()
    assert_whole(cluster)


def test_a_column_stays_on_one_machine_and_seeds_go_anywhere() -> None:
    cluster = Cluster(COLUMNS, [A, B])
    cluster.finish()
    assert_whole(cluster)
    assert hosts_of(cluster, "cpu/graph/b1") != hosts_of(cluster, "cpu/litert/b1")
    seeds = {host for job, host in cluster.ran if job.cell.probe == "accuracy"}
    assert len(seeds) > 1


def test_a_column_runs_in_the_order_of_one_machine() -> None:
    cluster = Cluster(COLUMNS, [A, B, C])
    cluster.finish()
    order: list[tuple[str, Repeat]] = [
        (job.cell.model.label, job.repeat)
        for job, _ in cluster.ran
        if job.cell.setting.label() == "cpu/litert/b1"
    ]
    assert order == [
        ("Alpha", PREPARE), ("Beta", PREPARE), ("Alpha", 0), ("Beta", 0), ("Beta", 1), ("Alpha", 1)
    ]  # fmt: skip


def test_the_longest_column_begins_first() -> None:
    plan = plan_of("""
name: s
models: [Alpha]
probes:
  latency:
    - {runtimes: [graph], min_rounds: 2, max_rounds: 2}
    - {runtimes: [litert], min_rounds: 3, max_rounds: 3}
""")
    cluster = Cluster(plan, [A])
    cluster.finish()
    labels = [job.cell.setting.label() for job, _ in cluster.ran]
    assert labels == ["cpu/litert/b1"] * 4 + ["cpu/graph/b1"] * 3


def test_the_column_of_a_lost_machine_begins_again_elsewhere() -> None:
    cluster = Cluster(COLUMNS, [A, B])
    cluster.fill()
    while not any(job.repeat == 1 for job, host in cluster.running if host == "a"):
        cluster.end()
        cluster.fill()
    cluster.lose("a")
    cluster.finish()
    assert_whole(cluster)
    assert {
        host for record in ok_of(cluster) for host in [record.host] if record.probe == "latency"
    } == {"b"}
    void = [record for record in cluster.records if record.reason.startswith("node lost")]
    assert {record.repeat for record in void} >= {PREPARE, 0}, "its first round is measured again"


def test_a_finished_column_of_a_lost_machine_counts() -> None:
    cluster = Cluster(COLUMNS, [A, B])
    cluster.fill()
    while any(job.cell.probe != "accuracy" for job, _ in cluster.running):
        cluster.end()
        cluster.fill()
    before = {r.host for r in ok_of(cluster) if r.probe == "latency"}
    cluster.lose("a")
    cluster.finish()
    assert_whole(cluster)
    assert before == {"a", "b"}
    assert {r.host for r in ok_of(cluster) if r.probe == "latency"} == before


def test_a_training_of_a_lost_machine_is_tried_again_a_few_times() -> None:
    plan = plan_of("""
name: s
models: [Alpha]
probes: {accuracy: {dataset: digits, recipe: scratch, image_size: 32, epochs: 2, seeds: 2}}
""")
    nodes = [Node(str(number)) for number in range(10)]
    cluster = Cluster(plan, nodes)
    losses = 0
    cluster.fill()
    while (found := [f for f in cluster.running if f[0].repeat == 0]) != []:
        cluster.lose(found[0][1])
        losses += 1
        cluster.fill()
    assert losses == MOST_LOSSES
    cluster.finish()
    assert [record.repeat for record in ok_of(cluster)] == [1]


def test_a_run_is_continued_on_the_machines_where_it_began() -> None:
    whole = Cluster(COLUMNS, [A, B])
    whole.finish()
    for cut in range(0, len(whole.records), 5):
        records = whole.records[:cut]
        again = Cluster(COLUMNS, [B, A], records)
        again.finish()
        keys = [record.key for record in again.records if record.status == "ok"]
        assert len(keys) == len(set(keys)) == len(whole.records), "nothing is measured twice"


def test_columns_begin_again_if_their_machine_is_not_there() -> None:
    whole = Cluster(COLUMNS, [A, B])
    whole.finish()
    for cut in range(0, len(whole.records) + 1, 5):
        again = Cluster(COLUMNS, [C], whole.records[:cut])
        again.finish()
        keys = [record.key for record in ok_of(again)]
        assert len(keys) == len(set(keys)) == len(whole.records)
        for column in ("cpu/graph/b1", "cpu/litert/b1"):
            labels = {j.key: j.cell.setting.label() for c in COLUMNS.cells for j in c.jobs()}
            assert len({r.host for r in ok_of(again) if labels[r.key] == column}) == 1
    complete = Cluster(COLUMNS, [C], whole.records)
    complete.finish()
    assert not complete.ran, "what is complete is not measured again"


def test_a_cell_that_fails_ends_and_others_go_on() -> None:
    cluster = Cluster(COLUMNS, [A, B])
    cluster.finish(lambda job: "failed" if job.cell.model.label == "Beta" else "ok")
    assert {record.model for record in ok_of(cluster)} == {"Alpha"}
    assert len(ok_of(cluster)) == sum(
        1 for cell in COLUMNS.cells if cell.model.label == "Alpha" for _ in cell.jobs()
    )


def test_without_machines_there_is_no_job() -> None:
    cluster = Cluster(COLUMNS, [A])
    cluster.fill()
    cluster.lose("a")
    assert cluster.placement.take() is None
    assert not cluster.placement.hosts
    assert list(cluster.scheduler.left())
