"""The scenario ``server``: the open-loop queue, its highest rate and its noise; by hand."""

from __future__ import annotations

import math
import threading

import numpy as np
import pytest

from cnnbench.probes.interface import ProbeResult
from cnnbench.probes.latency.reference import Reading
from cnnbench.probes.latency.timed_round import TimingConfig
from cnnbench.probes.latency.watch import Watch
from cnnbench.probes.load import server
from cnnbench.probes.load.rates import Bracket, arrivals, highest_rate
from cnnbench.probes.load.server import ServerConfig, Trials
from cnnbench.probes.load.settings import LoadSetting
from cnnbench.probes.load.streams import Served, StreamCall, Streams, serve
from tests.probes.test_latency_timing import Steady, reading

MS = 1e-3


class Clock:
    """A clock that only goes on by sleeping and by calls; a sleep of zero takes 20 µs."""

    def __init__(self) -> None:
        self.ns = 0

    def __call__(self) -> int:
        return self.ns

    def sleep(self, seconds: float) -> None:
        self.ns += round(max(seconds, 20e-6) * 1e9)

    def call(self, *seconds: float) -> StreamCall:
        """Return a call that takes these times in turn."""
        return lambda place: self.sleep(seconds[place % len(seconds)])


def queue(due: np.ndarray, seconds: float, servers: int = 1) -> Served:
    """Answer queries of equal service times in the order of arrival.

    Every server then takes each ``servers``-th query: it begins when it has arrived and the one
    before is answered.
    """
    begun = np.empty(len(due))
    for first in range(servers):
        own = due[first::servers]
        steps = seconds * np.arange(len(own))
        begun[first::servers] = np.maximum.accumulate(own - steps) + steps
    return Served(due, begun, begun + seconds)


def trials(
    seconds: float, moments: np.ndarray, bound_s: float, percentile: int = 99, servers: int = 1
) -> Trials:
    watch = Watch(Steady(), TimingConfig(sleep=lambda seconds: None))
    service = lambda due, bound_s, most_late: queue(due, seconds, servers)  # noqa: E731
    return Trials(service, watch, moments, bound_s, percentile, patience_s=1.0)


def served_alone(due: list[float], *seconds: float, most_late: int = 10) -> Served:
    clock = Clock()
    with Streams([clock.call(*seconds)]) as streams:
        return serve(streams, np.array(due), 1.2, most_late, clock, clock.sleep)


def test_arrivals_are_seeded_and_their_average_rate_is_exact() -> None:
    moments = arrivals(1000, (1, 2))
    assert np.array_equal(moments, arrivals(1000, (1, 2)))
    assert not np.array_equal(moments, arrivals(1000, (1, 3)))
    assert (np.diff(moments) > 0).all() and 0 < moments[0] < moments[-1] < 1000
    gaps = np.diff(arrivals(20_000, (0,)))
    # of an exponential distribution of mean 1: its deviation, and the share of gaps above 1
    assert gaps.std() == pytest.approx(1, rel=0.03)
    assert (gaps > 1).mean() == pytest.approx(np.exp(-1), rel=0.03)


def test_latency_counts_from_the_arrival_not_from_the_begin_of_the_answer() -> None:
    served = served_alone([0.0, 1.0, 1.5, 5.0], 1.0)
    assert served.begun == pytest.approx([0, 1, 2, 5], abs=1e-4)
    assert served.ended == pytest.approx([1, 2, 3, 6], abs=1e-4)
    assert served.latencies == pytest.approx([1, 1, 1.5, 1], abs=1e-4)
    assert served.is_complete


def test_one_slow_answer_delays_those_behind_it() -> None:
    # The second takes 3 s: the next two, due at 2 and 3 s, begin at 4 and 4.1 s.
    served = served_alone([0.0, 1.0, 2.0, 3.0], 0.1, 3.0, 0.1, 0.1)
    assert served.latencies == pytest.approx([0.1, 3.0, 2.1, 1.2], abs=1e-4)


def test_a_trial_ends_when_too_many_answers_are_late() -> None:
    served = served_alone([float(n) for n in range(10)], 1.5, most_late=2)
    # Latencies 1.5, 2.0, 2.5 s: all are over 1.2 s, and the third is one too many.
    assert not served.is_complete
    assert served.latencies == pytest.approx([1.5, 2.0, 2.5], abs=1e-4)
    assert np.isnan(served.begun[3:]).all()


@pytest.mark.parametrize("load_factor", [0.5, 0.8])
def test_waiting_is_that_of_the_m_d_1_queue(load_factor: float) -> None:
    clock, seconds = Clock(), 10 * MS
    due = arrivals(10_000, (4,)) * (seconds / load_factor)
    with Streams([clock.call(seconds)]) as streams:
        served = serve(streams, due, 1e3, len(due), clock, clock.sleep)
    # Pollaczek and Khinchine: load × service time / (2 (1 - load)).
    expected = load_factor * seconds / (2 * (1 - load_factor))
    assert (served.begun - served.due).mean() == pytest.approx(expected, rel=0.08)
    assert served.latencies.mean() == pytest.approx(queue(due, seconds).latencies.mean(), rel=0.01)


def test_several_streams_answer_every_query_once_in_the_order_of_arrival() -> None:
    answered: list[int] = []
    lock = threading.Lock()

    def call(place: int) -> None:
        with lock:
            answered.append(place)

    with Streams([call] * 3) as streams:
        served = serve(streams, np.zeros(50), 1e3, 50)
        assert served.is_complete and sorted(answered) == list(range(50))
        answered.clear()
        streams.burst(50)
        assert sorted(answered) == list(range(50))
        answered.clear()
        streams.together(7)
        assert answered == [7, 7, 7]


def test_an_error_in_a_stream_is_raised_where_the_streams_are_used() -> None:
    def broken(place: int) -> None:
        raise ValueError(f"query {place}")

    with Streams([lambda place: None, broken]) as streams:
        with pytest.raises(ValueError, match="query 3"):
            streams.together(3)
        with pytest.raises(ValueError, match="query 4"):
            streams.together(4)


def test_bisection_finds_the_threshold_within_its_tolerance() -> None:
    tried: list[float] = []

    def holds(rate: float) -> bool:
        tried.append(rate)
        return rate <= 73.0

    found = highest_rate(holds, 110.0)
    assert tried[:4] == [110, 55, 82.5, 68.75]
    assert found.low <= 73 < found.high and found.high - found.low <= 0.01 * found.high
    assert highest_rate(lambda rate: rate <= 300.0, 100.0).low == pytest.approx(300, rel=0.01)
    assert tried[-1] == found.high, "what failed is tried again"
    nothing = highest_rate(lambda rate: False, 160.0)
    assert nothing == Bracket(0.0, 10.0), "a sixteenth of the first rate"


def test_a_rate_that_failed_by_chance_does_not_decide() -> None:
    unlucky = iter([False, True, False])  # 110 and 82.5 fail, the latter by chance

    def holds(rate: float) -> bool:
        return next(unlucky, rate <= 100.0)

    assert highest_rate(holds, 110.0).low == pytest.approx(100, rel=0.01)
    assert highest_rate(lambda rate: True, 1.0).low < 10_000, "it ends"


def test_evenly_spaced_arrivals_are_answered_up_to_the_service_rate() -> None:
    # Above 100 a second query k waits k (10 ms - 1/rate) too long; the 99th percentile of 1000
    # queries is at k = 989.01, within 50 ms up to 1 / (10 ms - 40 ms / 989.01) = 100.41 a second.
    found = trials(10 * MS, np.arange(1000.0), 50 * MS)
    bracket = highest_rate(found.holds, 110.0)
    assert bracket.low <= 100.41 <= bracket.high
    assert bracket.high - bracket.low < 1.1


def waits_at_most(limit_s: float, rate: float, seconds: float) -> float:
    """Probability of a wait in the M/D/1 queue (Erlang 1909)."""
    terms = (
        (rate * (k * seconds - limit_s)) ** k
        / math.factorial(k)
        * math.exp(-rate * (k * seconds - limit_s))
        for k in range(int(limit_s / seconds + 1e-9) + 1)
    )
    return (1 - rate * seconds) * sum(terms)


@pytest.mark.parametrize("bound_ms", [25, 60])
def test_the_highest_rate_of_random_arrivals_is_that_of_the_m_d_1_queue(bound_ms: int) -> None:
    seconds, moments = 10 * MS, arrivals(20_000, (0,))
    bracket = highest_rate(trials(seconds, moments, bound_ms * MS).holds, 110.0)
    wait_s = bound_ms * MS - seconds
    exact = next(r for r in range(1, 100) if waits_at_most(wait_s, r, seconds) < 0.99)
    assert bracket.low == pytest.approx(exact, rel=0.06)
    again = highest_rate(trials(seconds, moments, bound_ms * MS).holds, 110.0)
    assert again == bracket, "the same answers give the same rate"


def test_two_servers_reach_more_than_twice_the_rate_of_one() -> None:
    # They wait less often for both to be busy than one of them alone.
    moments = arrivals(3000, (0,))
    one, two = (
        highest_rate(trials(10 * MS, moments, 30 * MS, servers=count).holds, 110.0 * count).low
        for count in (1, 2)
    )
    assert two > 2 * one > 0


def test_the_percentile_decides_with_the_least_number_of_queries() -> None:
    found = trials(1 * MS, arrivals(662, (0,)), 50 * MS)
    # 662 queries: the percentile is between the 655th and the 656th, so that seven may be late.
    assert found.most_late == 7
    assert trials(1 * MS, arrivals(100, (0,)), 50 * MS).most_late == 1
    config = ServerConfig(seconds=1.0, bounds=50)
    assert config.queries(30.0, 0.05, 662) == 662
    assert config.queries(1000.0, 0.05, 662) == 2500
    assert config.queries(1000.0, 0.001, 662) == 1000


class Scripted:
    """A reference whose readings are given; the last one goes on."""

    def __init__(self, *seconds: float) -> None:
        self._seconds = list(seconds)

    def read(self) -> Reading:
        return reading(self._seconds.pop(0) if len(self._seconds) > 1 else self._seconds[0])


def late_service(*late: bool) -> server.Service:
    """A service whose trials are late or in time, as given."""
    left = list(late)

    def answer(due: np.ndarray, bound_s: float, most_late: int) -> Served:
        seconds = 2 * bound_s if left.pop(0) else bound_s / 2
        return Served(due, due, due + seconds)

    return answer


@pytest.mark.parametrize(
    ("late", "readings", "holds", "left_out"),
    [
        ((False,), (9.0,), True, 0),
        ((True,), (1.0,), False, 0),
        # Disturbed after the first trial, which does not count.
        ((True, False), (1.0, 9.0, 1.0), True, 1),
        # Disturbed to the end of the patience, when late trials count.
        ((True, True, True), (1.0, 9.0), False, 1),
    ],
)
def test_a_failure_counts_on_a_quiet_machine_as_long_as_patience_lasts(
    late: tuple[bool, ...], readings: tuple[float, ...], holds: bool, left_out: int
) -> None:
    clock = Clock()
    timing = TimingConfig(clock_ns=clock, sleep=clock.sleep, patience_s=0.4)
    watch = Watch(Scripted(*readings), timing)
    found = Trials(late_service(*late), watch, np.arange(700.0), 50 * MS, 99, 0.4)
    assert found.holds(1e4) is holds
    # A trial lasts until its last query is answered: 69.9 ms, and 100 ms if it is late.
    assert found.left_out_s == pytest.approx(left_out * (699 / 1e4 + 0.1))


def measured(
    seconds: float, kept: float = 1.0, bound: float = 0.05
) -> tuple[ProbeResult, list[float]]:
    """Return a round of equal service times, and the rates that the generator was asked for."""
    watch = Watch(Steady(), TimingConfig(sleep=lambda seconds: None))
    setting = LoadSetting(scenario="server", bound=bound, percentile=99)
    service = lambda due, bound_s, most_late: queue(due, seconds)  # noqa: E731
    asked: list[float] = []

    def generator(rate: float) -> float:
        asked.append(rate)
        return kept

    found = server.measure(service, generator, watch, 1 / seconds, setting, 0, ServerConfig())
    return found, asked


def test_a_round_has_the_rate_its_trials_and_the_generator_at_twice_the_rate() -> None:
    found, asked = measured(10 * MS, bound=0.1)
    assert found == measured(10 * MS, bound=0.1)[0], "the same service times, the same rate"
    rate = found.metrics["load_qps"]
    assert 65 < rate < 95
    assert asked == [2 * rate]
    assert found.metrics["load_generator_ratio"] == 1.0
    assert found.samples["failed_qps"][0] == pytest.approx(rate, rel=0.011)
    held = [one["rate"] for one in found.details["trials"] if one["holds"]]
    assert max(held) == rate and found.details["flags"] == []
    lagging = measured(10 * MS, kept=0.973)[0]
    assert lagging.details["flags"] == ["the load generator lagged: 97.3% of twice the rate"]


def test_a_network_that_is_slower_than_the_bound_has_no_rate() -> None:
    found = measured(60 * MS)[0]
    assert "load_qps" not in found.metrics and found.details["flags"] == []
    assert not any(one["holds"] for one in found.details["trials"])


def test_the_generator_alone_keeps_its_rate() -> None:
    clock = Clock()
    config = ServerConfig(TimingConfig(clock_ns=clock, sleep=clock.sleep), seconds=0.1)
    with Streams([clock.call(1.0)]) as streams:
        kept = server.kept_by_generator(streams, config, rate=1e4)
    assert kept == pytest.approx(1.0, abs=1e-3)
