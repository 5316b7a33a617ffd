"""Placement of jobs on the machines of a cluster: the next job, and where it runs.

Jobs come from a `JobScheduler`; a *lane* is a sequence of them that one machine runs in the order
of the scheduler. Everything that is compared by time or memory is one lane: all cells of a column,
all rounds. A lane begins on the first machine that is free, the longest lane first, and stays there
until the machine is lost; then its results are void, and it begins again elsewhere. A training or a
count is a lane of its own and runs anywhere.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from cnnbench.execution.executor import Node
from cnnbench.execution.lanes import LaneKey, Lanes
from cnnbench.execution.scheduler import JobScheduler
from cnnbench.record import Record
from cnnbench.suite.plan import Job


@dataclass(eq=False)
class _Lane:
    """Jobs that one machine runs in their order.

    Attributes:
        key: as of `Placement.lane_of`.
        jobs: all of them in this batch, done or not.
        is_single: a job by itself, which runs anywhere.
        order: what of them is to do; begins with the lane.
    """

    key: LaneKey
    jobs: list[Job]
    is_single: bool
    order: Iterator[Job | None] | None = None


@dataclass
class _Machine:
    """A machine: its free slots, and the lanes that run there, in their order."""

    node: Node
    free: int
    lanes: deque[_Lane] = field(default_factory=deque)

    @property
    def is_idle(self) -> bool:
        return self.free == self.node.slots


class Placement:
    """Hands out jobs to the machines of a cluster.

    A job that times, measures memory or trains has a machine for itself; of the others, a machine
    runs as many at once as it has slots.

    Args:
        scheduler: knows what is to do.
        nodes: the machines, all alike.
        seconds: estimates the duration of a job, to begin with the longest lanes.
    """

    def __init__(
        self,
        scheduler: JobScheduler,
        nodes: Sequence[Node],
        seconds: Callable[[Job], float] = lambda job: 1.0,
    ) -> None:
        self._scheduler = scheduler
        self._seconds = seconds
        self._machines = {node.host: _Machine(node, node.slots) for node in nodes}
        self._batches = scheduler.batches()
        # The jobs in flight by machine, each with its lane.
        self._running: dict[str, dict[str, _Lane]] = defaultdict(dict)
        self._light: deque[_Lane] = deque()
        self._long: deque[_Lane] = deque()
        self._single: deque[_Lane] = deque()
        self._lanes = Lanes(scheduler)
        # Machines that may take a job; one that can not is asked again when something has changed.
        self._asking: dict[str, None] = {}

    def begun_elsewhere(self) -> Sequence[Record]:
        """Return the results of lanes that are not done and whose machine is not there."""
        return self._lanes.begun_elsewhere(self._machines)

    def take(self) -> tuple[Job, str] | None:
        """Return the next job and its host."""
        while True:
            while self._asking:
                host = next(iter(self._asking))
                if (job := self._job_for(self._machines[host])) is not None:
                    return job, host
                del self._asking[host]
            if self._has_work() or not self._machines:
                return None
            batch = next(self._batches, None)
            if batch is None:
                return None
            self._load(batch)

    def ended(self, job: Job, host: str, is_lost: bool = False) -> None:
        """Note that a job has ended; it comes again if its machine was lost."""
        lane = self._running[host].pop(job.key)
        machine = self._machines.get(host)
        if machine is not None:
            machine.free += self._slots(machine, job)
            self._asking[host] = None
        if lane.is_single and is_lost:
            self._queue(lane, first=True)
            self._ask_all()

    def lose(self, host: str) -> Sequence[Record]:
        """Give up a machine; its lanes that are not done begin again elsewhere."""
        machine = self._machines.pop(host, None)
        self._asking.pop(host, None)
        if machine is None:
            return ()
        running = [lane for lane in self._running[host].values() if not lane.is_single]
        unfinished = {lane.key: lane for lane in [*machine.lanes, *running]}
        wanted = self._lanes.left() | unfinished.keys()
        here = [key for key, place in self._lanes.host_of.items() if place == host]
        void = [record for key in here if key in wanted for record in self._lanes.release(key)]
        for lane in unfinished.values():
            self._queue(lane, first=True)
        self._ask_all()
        return void

    @property
    def hosts(self) -> Sequence[str]:
        """The machines that are left."""
        return tuple(self._machines)

    def _ask_all(self) -> None:
        self._asking = dict.fromkeys(self._machines)

    def _has_work(self) -> bool:
        return (
            bool(self._light or self._long or self._single)
            or any(machine.lanes for machine in self._machines.values())
            or any(self._running.values())
        )

    def _load(self, batch: Sequence[Job]) -> None:
        """Divide a batch into lanes, and put them into the queues, the longest first."""
        lanes: dict[LaneKey, _Lane] = {}
        singles = []
        for job in batch:
            key = self._lanes.key_of(job.cell)
            if key is None:
                singles.append(_Lane((job.key,), [job], is_single=True))
            else:
                lanes.setdefault(key, _Lane(key, [], is_single=False)).jobs.append(job)
        for lane in sorted([*lanes.values(), *singles], key=self._length, reverse=True):
            self._queue(lane)
        self._ask_all()

    def _length(self, lane: _Lane) -> float:
        """Return the estimated seconds of a lane if all of its cells need the fewest repeats."""
        return sum(
            self._seconds(job)
            for job in lane.jobs
            if not isinstance(job.repeat, int) or job.repeat < job.cell.rule.at_least
        )

    def _queue(self, lane: _Lane, first: bool = False) -> None:
        lane.order = None
        machine = self._machines.get(self._lanes.host_of.get(lane.key, ""))
        if machine is not None:
            lanes = machine.lanes
        else:
            is_light = lane.is_single and lane.jobs[0].cell.setting.is_light
            lanes = self._light if is_light else self._single if lane.is_single else self._long
        if first:
            lanes.appendleft(lane)
        else:
            lanes.append(lane)

    def _job_for(self, machine: _Machine) -> Job | None:
        """Return the next job for a machine, and note that it runs there."""
        if machine.free and (found := self._next_single(self._light)):
            return self._begin(machine, *found)
        if not machine.is_idle:
            return None
        while machine.lanes or self._long:
            if not machine.lanes:
                machine.lanes.append(self._long.popleft())
            lane = machine.lanes[0]
            self._lanes.host_of[lane.key] = machine.node.host
            if lane.order is None:
                lane.order = self._scheduler.in_stages(lane.jobs)
            if (job := next(lane.order, None)) is not None:
                return self._begin(machine, job, lane)
            machine.lanes.popleft()  # nothing of it is in flight: the machine is idle
        found = self._next_single(self._single)
        return self._begin(machine, *found) if found else None

    def _next_single(self, queue: deque[_Lane]) -> tuple[Job, _Lane] | None:
        while queue:
            lane = queue.popleft()
            if (job := next(self._scheduler.in_stages(lane.jobs), None)) is not None:
                return job, lane
        return None

    def _begin(self, machine: _Machine, job: Job, lane: _Lane) -> Job:
        machine.free -= self._slots(machine, job)
        self._running[machine.node.host][job.key] = lane
        return job

    def _slots(self, machine: _Machine, job: Job) -> int:
        """Return how many slots of a machine a job takes: all, or one."""
        return 1 if job.cell.setting.is_light else machine.node.slots
