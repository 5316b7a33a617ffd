"""Placement of a large suite on a large cluster, simulated with a virtual clock.

200 nodes run 50,000 jobs of random duration; 1 % of the jobs fail, and nodes are lost on the way.
The placement of `cnnbench.execution` decides which job runs where, as in a run. It must finish
within 5 % of the ideal makespan, decide in less than 1 ms of CPU time, and need memory in
proportion to the records. The ideal: all nodes are busy to the end, or, if it is longer, the
longest lane.

    python benchmarks/scheduler.py [--nodes 200] [--jobs 50000] [--lost 2] [--quick]
"""

from __future__ import annotations

import argparse
import heapq
import random
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any

from cnnbench.execution.executor import Node
from cnnbench.execution.lanes import Lanes
from cnnbench.execution.placement import Placement
from cnnbench.execution.planned_job import voided
from cnnbench.execution.scheduler import JobScheduler
from cnnbench.plugins import PROBES
from cnnbench.record import HOST, NODE_LOST, PREPARE, Record
from cnnbench.suite.plan import Cell, Job

MOST_OVER, MOST_S, SLOTS = 0.05, 1e-3, 4
MEAN_S = {"static": 4.0, "latency": 10.0, "accuracy": 90.0}
FAILURES = 0.01


@dataclass(frozen=True)
class Network:
    """As much of a model as a plan needs."""

    label: str
    text: str = ""
    input_shape: tuple[int, ...] = (32, 32, 3)
    classes: int = 10
    min_size: int | None = None
    stated: frozenset[str] = frozenset()
    fixed: frozenset[str] = frozenset()
    output: str | None = None
    task: str = "classification"
    is_task_assumed: bool = False
    backbone: None = None
    is_trained: bool = False
    converted_file: None = None

    def identity(self) -> Mapping[str, Any]:
        return {"name": self.label}


def suite(jobs: int) -> list[Cell]:
    """Return cells of about so many jobs: columns of latencies, trainings, and counts."""
    networks = [Network(f"net-{number}") for number in range(100)]
    entries: list[tuple[str, dict[str, Any]]] = [("static", {"batch_sizes": [1, 8, 32, 64, 128]})]
    for number in range(round(jobs * 0.57 / 700)):
        entry = {"runtimes": ["graph"], "batch_sizes": [number + 1]}
        entries.append(("latency", {**entry, "min_rounds": 6, "max_rounds": 6}))
    for number in range(round(jobs * 0.42 / 1000)):
        entry = {"dataset": "digits", "recipe": "scratch", "image_size": 32}
        entries.append(("accuracy", {**entry, "epochs": number + 1, "seeds": 10}))
    return [
        Cell(network, setting.variant_name(), probe, setting, rule)
        for probe, entry in entries
        for network in networks
        for setting, rule in PROBES[probe].spec.model_validate(entry).cells(network)
    ]


@dataclass
class Found:
    """Result of a simulation; times in seconds."""

    jobs: int
    makespan: float
    ideal: float
    decisions: list[float]
    worst_loss: float
    void: int
    bytes_grown: int

    @property
    def over(self) -> float:
        return self.makespan / self.ideal - 1


@dataclass
class Simulation:
    """A cluster on a virtual clock."""

    nodes: int
    lost: int
    seed: int = 0
    now: float = 0.0
    slot_seconds: float = 0.0
    lane_s: dict[Any, float] = field(default_factory=lambda: defaultdict(float))

    def run(self, cells: Sequence[Cell]) -> Found:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        chance = random.Random(self.seed)
        hosts = [f"node-{number}" for number in range(self.nodes)]
        factors = {cell.key: chance.lognormvariate(0, 0.5) for cell in cells}
        prepared: set[str] = set()
        scheduler = JobScheduler(cells, [], None, lambda cell: cell.key in prepared)
        lanes = Lanes(scheduler)
        placement = Placement(scheduler, [Node(host, SLOTS) for host in hosts])
        work = sum(MEAN_S[cell.probe] for cell in cells for _ in cell.jobs()) / self.nodes
        ends: list[tuple[float, int, Job | None, str]] = [
            (chance.uniform(0.1, 0.9) * work, -number, None, host)
            for number, host in enumerate(chance.sample(hosts, self.lost), start=1)
        ]
        heapq.heapify(ends)
        running: dict[str, dict[str, tuple[Job, float]]] = defaultdict(dict)
        decisions, alive, gone = [], set(hosts), []
        worst_loss, count, void = 0.0, 0, 0

        def record(job: Job, host: str, status: Any, **details: str) -> Record:
            return Record(
                key=job.key, attempt=1, model=job.cell.model.label, variant="float32",
                probe=job.cell.probe, setting=job.cell.setting_json, repeat=job.repeat,
                status=status, reason="", details={HOST: host, **details},
            )  # fmt: skip

        def decide() -> float:
            nonlocal count
            spent = 0.0
            while True:
                start = time.thread_time()
                found = placement.take()
                spent += time.thread_time() - start
                if found is None:
                    return spent
                job, host = found
                count += 1
                seconds = MEAN_S[job.cell.probe] * factors[job.cell.key]
                seconds *= chance.lognormvariate(0, 0.15)
                running[host][job.key] = job, self.now
                heapq.heappush(ends, (self.now + seconds, count, job, host))

        decide()
        while any(running.values()):
            self.now, _, ended, host = heapq.heappop(ends)
            if ended is None:
                start = time.thread_time()
                alive.discard(host)
                gone.append(self.now)
                for lost, began in list(running.pop(host, {}).values()):
                    self._spent(lost, began)
                    scheduler.add(record(lost, host, "failed", **{NODE_LOST: host}))
                    for result in placement.lose(host):
                        scheduler.make_void(voided(result, 2))
                        void += 1
                    placement.ended(lost, host, is_lost=True)
                worst_loss = max(worst_loss, time.thread_time() - start)
                decide()
                continue
            if ended.key not in running.get(host, {}):
                continue  # of a node that was lost
            _, began = running[host].pop(ended.key)
            self._spent(ended, began)
            if (key := lanes.key_of(ended.cell)) is not None:
                self.lane_s[key] += self.now - began
            if ended.repeat == PREPARE:
                prepared.add(ended.cell.key)
            status = "failed" if chance.random() < FAILURES else "ok"
            start = time.thread_time()
            scheduler.add(record(ended, host, status))
            placement.ended(ended, host)
            spent = time.thread_time() - start
            decisions.append(spent + decide())
        assert not list(scheduler.left()), "jobs are left"
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
        ideal = max(self._busy_until(gone), max(self.lane_s.values(), default=0.0))
        return Found(count, self.now, ideal, sorted(decisions), worst_loss, void, grown)

    def _spent(self, job: Job, began: float) -> None:
        share = 1 / SLOTS if job.cell.setting.is_light else 1.0
        self.slot_seconds += share * (self.now - began)

    def _busy_until(self, gone: Sequence[float]) -> float:
        """Return the time at which nodes that are always busy have done the same work."""
        work, alive, at = self.slot_seconds, self.nodes, 0.0
        for time_lost in gone:
            work -= alive * (time_lost - at)
            alive, at = alive - 1, time_lost
        return at + work / alive


def simulate(nodes: int, jobs: int, lost: int, seed: int) -> Found:
    """Simulate one run; in a process of its own, as its peak memory is measured."""
    return Simulation(nodes, lost, seed).run(suite(jobs))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=50_000)
    parser.add_argument("--lost", type=int, default=2, help="nodes that are lost on the way")
    parser.add_argument("--quick", action="store_true", help="functional check: small")
    arguments = parser.parse_args()
    nodes, jobs = (8, 4_000) if arguments.quick else (arguments.nodes, arguments.jobs)
    sizes = [jobs] if arguments.quick else [jobs // 4, jobs // 2, jobs]
    is_good = True
    for seed, size in enumerate(sizes):
        context = get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            share = max(1, nodes * size // jobs)
            found = pool.submit(simulate, share, size, min(arguments.lost, share // 4), seed)
            result = found.result()
        middle = sum(result.decisions) / len(result.decisions)
        late = result.decisions[int(0.999 * len(result.decisions))]
        print(
            f"{share} nodes, {result.jobs:,} jobs: makespan {result.makespan:,.0f} s, "
            f"{result.over:+.1%} of the ideal {result.ideal:,.0f} s; {result.void} results void\n"
            f"  CPU time of a decision: mean {middle * 1e3:.3f} ms, p99.9 {late * 1e3:.3f} ms; "
            f"a lost node: at most {result.worst_loss * 1e3:.0f} ms\n"
            f"  memory: {result.bytes_grown / 2**20:.0f} MiB, "
            f"{result.bytes_grown / result.jobs / 1024:.1f} KiB a job"
        )
        is_good &= result.over <= MOST_OVER and middle < MOST_S
    sys.exit(0 if is_good or arguments.quick else 1)


if __name__ == "__main__":
    main()
