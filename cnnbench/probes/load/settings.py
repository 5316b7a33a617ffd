"""Settings of the ``load`` probe: scenario, runtime, streams, batch size, threads, bound."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import product
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from cnnbench.models.handle import ModelInfo
from cnnbench.probes.latency.settings import (
    KnownRuntime,
    LatencySetting,
    Runtime,
    Threads,
    TimedSpec,
)
from cnnbench.probes.settings import Setting
from cnnbench.schema import BatchSize, BatchSizes, Distinct, Seconds
from cnnbench.statistics.percentiles import CALLS_NEEDED

Scenario = Literal["offline", "server", "multi_stream"]
Streams = Annotated[int, Field(strict=True, ge=1, le=256)]
Percentile = Literal[50, 90, 95, 99]

RATE, RATIO = "load_qps", "load_generator_ratio"
FAILED = "failed_qps"
"""Samples of ``server``: the lowest rate at which the bound does not hold."""
LATENCIES = ("load_p50_s", "load_p90_s", "load_p95_s", "load_p99_s")
_QUERIES = 2000
_LONGEST_BOUND_S = 10.0  # a trial of `server` lasts fifty times as long
_METRICS: Mapping[Scenario, tuple[str, ...]] = {
    "offline": (RATE,),
    "server": (RATE, RATIO),
    "multi_stream": LATENCIES,
}


class LoadSetting(Setting):
    """One scenario of one model in one runtime; ``prepare`` converts the model.

    Attributes:
        scenario: as MLPerf Inference defines it.
        runtime, threads: as in the ``latency`` probe; the threads are those of all streams.
        streams: copies of the network that are called at the same time.
        batch_size: images a call of a stream.
        bound: longest latency that ``server`` accepts, in seconds; None in other scenarios.
        percentile: share of the queries, in %, that must be answered within it.
        queries: fewest of a trial of ``server``; None in other scenarios.
    """

    probe: ClassVar[str] = "load"
    scenario: Scenario = "offline"
    runtime: Runtime = "graph"
    streams: Streams = 1
    batch_size: BatchSize = 1
    threads: Threads = "all"
    bound: float | None = None
    percentile: Percentile | None = None
    queries: int | None = None

    @property
    def needs_prepare(self) -> bool:
        return True

    def kind(self) -> str:
        return f"{self.probe} {self.scenario}"

    def label(self) -> str:
        return "/".join(self._axes().values())

    def axes_for(self, metric: str) -> Mapping[str, str]:
        return self._axes()

    def _axes(self) -> dict[str, str]:
        found = {"scenario": self.goal, "device": "cpu", "runtime": self.runtime}
        found |= {"batch": f"b{self.batch_size}", "streams": f"s{self.streams}"}
        if self.threads != "all":
            found["threads"] = f"t{self.threads}"
        if self.queries not in (None, _QUERIES):
            found["queries"] = f"q{self.queries}"
        return found

    @property
    def goal(self) -> str:
        """The scenario as columns name it; of ``server``, its bound: ``p99=50ms``."""
        if self.bound is None:
            return self.scenario
        return f"p{self.percentile}={duration(self.bound)}"

    def latency(self) -> LatencySetting:
        """Return the setting of the ``latency`` probe with which the network is converted."""
        return LatencySetting(
            runtime=self.runtime, batch_size=self.batch_size, threads=self.threads
        )

    def metrics(self) -> Collection[str]:
        return _METRICS[self.scenario]

    def primary_metrics(self) -> tuple[str, ...]:
        return (LATENCIES[-1],) if self.scenario == "multi_stream" else (RATE,)


def duration(seconds: float) -> str:
    """Return a bound as a suite has it: ``50ms``, ``1.5s``."""
    return f"{seconds:g}s" if seconds >= 1 else f"{seconds * 1000:g}ms"


class LoadSpec(TimedSpec):
    """``load: {runtimes: [graph, litert], scenarios: [offline, server], streams: [1, 2]}``

    Attributes:
        runtimes: names that ``cnnbench doctor`` lists, on the CPU.
        scenarios: ``offline``: images a second, as many as the network can; ``server``: the highest
            rate of random arrivals within the bound; ``multi_stream``: latency of an image for
            every stream, all at once.
        streams: copies of the network that are called at the same time.
        batch_sizes: images a call of a stream, in ``offline``; in the others it is 1.
        threads: of all streams together, which divide them: a number, or ``all`` that the machine
            offers.
        bound: longest latency that ``server`` accepts, from the arrival of a query to its answer.
        percentile: share of the queries, in %, that must be answered within the bound.
        queries: fewest of a trial of ``server``, as many as the percentile needs or more.
    """

    runtimes: Annotated[list[KnownRuntime], Distinct, Field(min_length=1)] = ["litert"]
    scenarios: Annotated[list[Scenario], Distinct, Field(min_length=1)] = ["offline", "server"]
    streams: Annotated[list[Streams], Distinct, Field(min_length=1)] = [1]
    batch_sizes: BatchSizes = [1]
    threads: Annotated[list[Threads], Distinct, Field(min_length=1)] = ["all"]
    bound: Seconds = 0.05
    percentile: Percentile = 99
    queries: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] = _QUERIES

    @field_validator("bound")
    @classmethod
    def _short_enough(cls, bound: float) -> float:
        if bound > _LONGEST_BOUND_S:
            raise ValueError(f"{duration(bound)} is too long, at most {duration(_LONGEST_BOUND_S)}")
        return bound

    @model_validator(mode="after")
    def _enough_for_the_percentile(self) -> Self:
        if self.queries < (needed := CALLS_NEEDED[self.percentile]):
            raise ValueError(f"queries: p{self.percentile} needs {needed}, not {self.queries}")
        return self

    def settings(self, model: ModelInfo) -> Iterator[LoadSetting]:
        for scenario, runtime, streams, threads in product(
            self.scenarios, self.runtimes, self.streams, self.threads
        ):
            for batch_size in self.batch_sizes if scenario == "offline" else [1]:
                is_server = scenario == "server"
                yield LoadSetting(
                    scenario=scenario,
                    runtime=runtime,
                    streams=streams,
                    batch_size=batch_size,
                    threads=threads,
                    bound=self.bound if is_server else None,
                    percentile=self.percentile if is_server else None,
                    queries=self.queries if is_server else None,
                )
