"""Copies of a network that are called at the same time, in a thread each, and an open-loop server.

No thread generates the load: every stream takes the next query, waits until it is due, and answers
it. This is a queue with several servers, first come, first served, without a hand-over between
threads that would compete with the network for a core.
"""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import Any, Self

import numpy as np

from cnnbench.probes.latency.timed_round import Clock

StreamCall = Callable[[int], Any]
"""Answers the query with this number; the result is in the host's memory when it returns."""

_NS = 1e-9
# The system's timer is late; the last part is waited for by asking the clock.
_SPIN_NS = 200_000


class Streams:
    """One call for each copy of a network. A context manager: it holds threads.

    The first stream runs in the thread that uses it, the others in threads of their own.

    Args:
        calls: of the streams.
    """

    def __init__(self, calls: Sequence[StreamCall]) -> None:
        self.calls = calls
        self._helpers = [_Helper() for _ in calls[1:]]

    def __enter__(self) -> Self:
        for helper in self._helpers:
            helper.start()
        return self

    def __exit__(self, *of_error: object) -> None:
        for helper in self._helpers:
            helper.begin(None)
        for helper in self._helpers:
            helper.join()

    def in_each(self, work: Callable[[StreamCall], None]) -> None:
        """Do ``work`` with the call of every stream at the same time; return when all are done.

        An error in a stream is raised when the others have ended.
        """
        for helper, call in zip(self._helpers, self.calls[1:], strict=True):
            helper.begin(partial(work, call))
        try:
            work(self.calls[0])
        finally:
            errors = [error for helper in self._helpers if (error := helper.ended())]
        if errors:
            raise errors[0]

    def together(self, place: int) -> None:
        """Answer one query of an image for every stream."""
        self.in_each(lambda call: call(place))

    def burst(self, count: int) -> None:
        """Answer ``count`` queries that are there from the beginning."""
        places = itertools.count()

        def pull(call: StreamCall) -> None:
            while (place := next(places)) < count:
                call(place)

        self.in_each(pull)

    def without_network(self) -> Streams:
        """Return as many streams that answer at once: what is left is the load generator."""
        return Streams([_answer_at_once] * len(self.calls))


class _Helper(threading.Thread):
    """Thread of a stream, which does one piece of work after the other."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._to_do: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._done: SimpleQueue[BaseException | None] = SimpleQueue()

    def begin(self, work: Callable[[], None] | None) -> None:
        """Do ``work``, or end the thread."""
        self._to_do.put(work)

    def ended(self) -> BaseException | None:
        """Return, after the work that was begun, the error that it raised."""
        return self._done.get()

    def run(self) -> None:
        while work := self._to_do.get():
            error: BaseException | None = None
            try:
                work()
            except BaseException as raised:  # raised again in the thread that began the work
                error = raised
            self._done.put(error)


def _answer_at_once(place: int) -> None:
    """Return nothing."""


@dataclass(frozen=True)
class Served:
    """Queries of a trial, by number; all times in seconds since its begin.

    Attributes:
        due: moments at which they arrived.
        begun, ended: moments at which a stream began and ended the answer; NaN where the trial was
            over before.
    """

    due: np.ndarray
    begun: np.ndarray
    ended: np.ndarray

    @property
    def is_complete(self) -> bool:
        """True if every query was answered."""
        return bool(np.isfinite(self.ended).all())

    @property
    def latencies(self) -> np.ndarray:
        """Seconds from the arrival of every answered query to its answer."""
        found: np.ndarray = (self.ended - self.due)[np.isfinite(self.ended)]
        return found

    @property
    def kept(self) -> float:
        """Share of the planned rate at which queries were handed to the streams."""
        return float(self.due[-1] / self.begun[-1])


def serve(
    streams: Streams,
    due: np.ndarray,
    bound_s: float,
    most_late: int,
    clock: Clock = time.perf_counter_ns,
    sleep: Callable[[float], None] = time.sleep,
) -> Served:
    """Answer queries as they arrive, those that wait in the order of their arrival.

    Args:
        streams: that answer, one query each at a time.
        due: seconds from the begin to each arrival, ascending, ``(n,)``.
        bound_s: seconds after its arrival from which on an answer is late.
        most_late: after more late answers than that, the trial is over.
        clock, sleep: in nanoseconds, and seconds; a sleep of zero lets other threads run.
    """
    count = len(due)
    moments = (due / _NS).astype(np.int64).tolist()
    begun: list[int | None] = [None] * count
    ended: list[int | None] = [None] * count
    bound = round(bound_s / _NS)
    places, late = itertools.count(), itertools.count(1)
    over = threading.Event()
    is_over = over.is_set
    begin = clock()

    def answer(call: StreamCall) -> None:
        while not is_over() and (place := next(places)) < count:
            moment = begin + moments[place]
            while (left := moment - clock()) > 0:
                sleep(max(0.0, (left - _SPIN_NS) * _NS))
            begun[place] = clock()
            call(place)
            ended[place] = now = clock()
            if now - moment > bound and next(late) > most_late:
                over.set()

    streams.in_each(answer)
    return Served(due, _seconds(begun, begin), _seconds(ended, begin))


def _seconds(moments: Sequence[int | None], begin: int) -> np.ndarray:
    return np.array([math.nan if one is None else (one - begin) * _NS for one in moments])
