"""The ``load`` probe: copies of one model in one runtime under the load of a scenario.

``prepare`` converts the model as the ``latency`` probe does, once for all scenarios and numbers of
streams. A round opens the copies in a fresh process, compares their outputs with Keras', and calls
each in a thread of its own.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cnnbench.models.handle import ModelHandle
from cnnbench.plugins import Registry
from cnnbench.probes import artifacts
from cnnbench.probes.interface import Context, ProbeResult
from cnnbench.probes.latency import calibrated_model, machine, timed_calls
from cnnbench.probes.latency import run as latency
from cnnbench.probes.latency.quiet import fastest_detail, known_fastest
from cnnbench.probes.latency.reference import CoreReference
from cnnbench.probes.latency.runtimes import RUNTIMES, Runtime, RuntimeInfo
from cnnbench.probes.latency.timed_round import TimingConfig
from cnnbench.probes.latency.timing import no_garbage_collection, timed, warm_up
from cnnbench.probes.latency.watch import Watch
from cnnbench.probes.load import server, summary
from cnnbench.probes.load.server import ServerConfig
from cnnbench.probes.load.settings import RATE, LoadSetting
from cnnbench.probes.load.streams import StreamCall, Streams, serve
from cnnbench.statistics.percentiles import CALLS_NEEDED
from cnnbench.statistics.robust import FEWEST_PROCESSES

CONFIG = ServerConfig()

_MADE = ".converted"
# A burst: its least duration and number of calls of a stream; bursts before the trials of a server.
_BURST_S, _FEWEST_CALLS, _BURSTS = 0.1, 10, 5
_INPUTS = 12  # a multiple of the number of inputs, which are used in turn
# Queries of `multi_stream` in a round: six rounds, the fewest for an interval, give a p99.
_QUERIES = math.ceil(CALLS_NEEDED[99] / FEWEST_PROCESSES)


def prepare(
    model: ModelHandle,
    setting: LoadSetting,
    context: Context,
    runtimes: Registry[RuntimeInfo] = RUNTIMES,
) -> ProbeResult:
    """Convert the model, unless another cell of the probe has done so in this run.

    Raises:
        Unavailable, JobFailed: as in the ``latency`` probe.
    """
    folder = files_of(setting, context)
    if (folder / _MADE).exists():
        return ProbeResult()
    try:
        made = latency.prepare(
            model, setting.latency(), replace(context, artifacts=folder), runtimes
        )
        (folder / _MADE).touch()
    finally:
        artifacts.release(folder)  # if there is nothing in it
    return ProbeResult(details={**made.metrics, **made.details})


def run(
    model: ModelHandle,
    setting: LoadSetting,
    context: Context,
    runtimes: Registry[RuntimeInfo] = RUNTIMES,
    config: ServerConfig = CONFIG,
    timing: TimingConfig = timed_calls.TIMING,
) -> ProbeResult:
    """Measure one round of one scenario.

    Args:
        model, setting, context, runtimes: as in `prepare`.
        config: duration of the trials of ``server``.
        timing: duration of the measurement in the other scenarios.

    Raises:
        Unavailable: as `prepare`.
        JobFailed: a file of `prepare` is missing.
    """
    info = runtimes.find(setting.runtime)
    folder = files_of(setting, context)
    first = latency.create(info, model, setting.latency(), folder)
    info.check_files(folder)
    copies = first.in_streams(setting.streams)
    calls, difference, scale = _opened(copies, folder)
    threads = max(first.threads, setting.streams)
    with Streams(calls) as streams:
        context.report_progress("warming up")
        if setting.scenario == "server":
            found = _server(streams, setting, context, threads, config)
        elif setting.scenario == "offline":
            found = _offline(streams, setting, context, threads, info.reference, timing)
        else:
            found = _multi_stream(streams, context, threads, info.reference, timing)
    if info.reference:
        found.metrics["reference_s"] = found.details["reference_s"][info.reference]
    found.metrics["output_max_abs_diff"] = difference
    found.details["flags"] += calibrated_model.disagreement(difference, scale, first.tolerance())
    found.details |= {
        "arithmetic": first.arithmetic(),
        "threads": threads,
        "threads_in_use": [one.threads_in_use() for one in copies],
        "output_scale": scale,
    }
    for one in reversed(copies):
        one.close()
    return found


def files_of(setting: LoadSetting, context: Context) -> Path:
    """Return the folder of the converted files, which all scenarios share."""
    what = f"{setting.runtime} b{setting.batch_size}"
    key = f"load-{hashlib.sha256(what.encode()).hexdigest()[:16]}"
    return artifacts.claim(context.artifacts.parent, key, [f"load {what}"])


def _opened(copies: Sequence[Runtime], folder: Path) -> tuple[list[StreamCall], float, float]:
    """Return a call of each copy; the largest difference from Keras' outputs, and their scale."""
    expected = calibrated_model.read_expected(folder)
    for one in copies:
        one.start()
    calls: list[StreamCall] = []
    differences: list[float] = []
    for one in copies:
        one.load()
        one.compile(expected.inputs[0])
        inputs = [one.feed(images) for images in expected.inputs]
        outputs = one.outputs(one.call(inputs[0]))
        difference, scale = calibrated_model.difference(outputs, expected.outputs)
        differences.append(difference)
        calls.append(_rotating(one, inputs))
    return calls, float(np.max(differences)), scale  # NaN if any is


def _rotating(runtime: Runtime, inputs: Sequence[Any]) -> StreamCall:
    call, count = runtime.call, len(inputs)
    return lambda place: call(inputs[place % count])


def _offline(
    streams: Streams,
    setting: LoadSetting,
    context: Context,
    threads: int,
    workload: str | None,
    timing: TimingConfig,
) -> ProbeResult:
    """Time bursts of calls that the streams share."""
    calls = _burst(streams, timing)
    images = calls * setting.batch_size
    found = timed_calls.timed(
        streams.burst, [calls], threads, workload, timing, context.fastest, images
    )
    return ProbeResult(
        metrics={RATE: found.metrics["throughput_per_s"], **_cost(found.metrics)},
        samples={"burst_s": found.samples["latency_s"]},
        details=found.details | {"images_of_burst": images},
    )


def _multi_stream(
    streams: Streams,
    context: Context,
    threads: int,
    workload: str | None,
    timing: TimingConfig,
) -> ProbeResult:
    """Time queries of one image for every stream, one query after the other."""
    timing = replace(timing, calls=max(timing.calls, _QUERIES))
    found = timed_calls.timed(
        streams.together, range(_INPUTS), threads, workload, timing, context.fastest
    )
    own = summary.of_load(found.metrics)
    samples = {summary.SAMPLES: found.samples["latency_s"]}
    return ProbeResult(own | _cost(found.metrics), samples, found.details)


def _server(
    streams: Streams, setting: LoadSetting, context: Context, threads: int, config: ServerConfig
) -> ProbeResult:
    """Find the highest rate, between none and what the streams answer in bursts."""
    timing = config.timing
    calls = _burst(streams, timing)
    began = machine.now()
    known = known_fastest(context.fastest, threads)
    with CoreReference(threads, timing.clock_ns) as reference, no_garbage_collection():
        watch = Watch(reference, timing, known)
        watch.until_quiet(lambda: watch.waited_s)
        bursts = timed(streams.burst, itertools.repeat(calls), _BURSTS, timing.clock_ns)
        service = partial(serve, streams, clock=timing.clock_ns, sleep=timing.sleep)
        generator = partial(server.kept_by_generator, streams, config)
        capacity = calls / min(bursts)
        context.report_progress(f"up to {capacity:.0f} queries a second")
        found = server.measure(service, generator, watch, capacity, setting, context.repeat, config)
    usage = machine.over([(began, machine.now())])
    # Streams that wait for a query ask the clock, in threads beside those of the runtime.
    found.details["flags"] += usage.flags(threads + setting.streams)
    found.details["disturbances"] = usage.disturbances()
    found.details["fastest"] = fastest_detail(watch.fastest, threads)
    return found


def _burst(streams: Streams, timing: TimingConfig) -> int:
    """Warm up; return the number of calls of a burst, which is long enough to be timed."""
    warm = warm_up(streams.together, range(_INPUTS), timing)
    of_stream = max(_FEWEST_CALLS, math.ceil(_BURST_S / warm.windows[-1]))
    return of_stream * len(streams.calls)


def _cost(metrics: Mapping[str, float]) -> dict[str, float]:
    return {name: metrics[name] for name in ("waited_s", "left_out_s")}
