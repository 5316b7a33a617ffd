"""Results of a round of timed calls, whole and in parts: metrics, samples, and flags."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from cnnbench.probes.interface import ProbeResult
from cnnbench.probes.latency.quiet import fastest_detail, known_fastest
from cnnbench.probes.latency.reference import WORKLOADS
from cnnbench.probes.latency.timed_round import (
    Parts,
    Timing,
    TimingConfig,
    WarmUp,
    fastest_decile_mean,
)
from cnnbench.probes.latency.timing import observe
from cnnbench.statistics import percentiles

TIMING = TimingConfig()
TYPICAL = "latency_typical_s"
TAIL_CALLS = 1200
"""Least number of calls in a round for `percentiles.TAIL`: six rounds have enough together."""

_MIDDLE = 0.2  # share of the calls
# Thinned evenly: a record stays below some 20 kB, and a table pools those of all rounds.
_MOST_SAMPLES, _MOST_TAIL_SAMPLES = 1000, 2000
# Relative change of the location ÷ reference, from the first to the last third of the blocks.
_DRIFT = 0.10


def timed(
    call: Callable[[Any], Any],
    inputs: Sequence[Any],
    threads: int,
    workload: str | None,
    config: TimingConfig = TIMING,
    fastest: Mapping[str, float] = MappingProxyType({}),
    batch_size: int = 1,
    tail: bool = False,
) -> ProbeResult:
    """Time calls while the machine is quiet.

    Args:
        call: takes one of ``inputs``; its result is in the host's memory when it returns.
        inputs: used in turn.
        threads: that a call computes on.
        workload: of the reference, by which the times are divided; None for none.
        config: duration of the measurement.
        fastest: readings of the reference in earlier jobs, as in `Context`.
        batch_size: images of a call.
        tail: time enough calls for `percentiles.TAIL`.
    """
    warm, timing = observe(
        call, inputs, threads, _with_tail(config, tail), known_fastest(fastest, threads)
    )
    return _whole(warm, timing, threads, workload, batch_size, tail)


def timed_parts(
    call: Callable[[Any], Any],
    parts: Parts,
    inputs: Sequence[Any],
    threads: int,
    config: TimingConfig = TIMING,
    fastest: Mapping[str, float] = MappingProxyType({}),
    tail: bool = False,
) -> tuple[ProbeResult, dict[str, ProbeResult]]:
    """Time calls of several parts; return the result of whole calls, and that of each part.

    A part has the metric `TYPICAL`, its mean over the `typical` calls. These of all parts add up to
    about the median of the whole calls, which medians of parts do not on a busy machine.

    Args:
        call, inputs, threads, config, fastest, tail: as in `timed`.
        parts: returns the seconds of each part in the last calls.
    """
    config, known = _with_tail(config, tail), known_fastest(fastest, threads)
    warm, timing = observe(call, inputs, threads, config, known, parts)
    whole = _whole(warm, timing, threads, None, 1, tail)
    shared = ("disturbances", "is_disturbed")
    middle = typical(timing.calls)
    return whole, {
        name: ProbeResult(
            metrics=_of_calls(calls, tail)
            | {TYPICAL: float(np.mean([calls[place] for place in middle]))},
            samples={"latency_s": _kept(calls, tail)},
            details={"flags": list(whole.details["flags"])}
            | {name: whole.details[name] for name in shared},
        )
        for name, calls in timing.parts.items()
    }


def summary(
    timing: Timing, batch_size: int, workload: str | None, tail: bool = False
) -> dict[str, float]:
    """Return the metrics of a round's calls, percentiles only with enough calls."""
    found = _of_calls(timing.calls, tail)
    return {
        **found,
        "throughput_per_s": batch_size / found["latency_mean_s"],
        "waited_s": timing.waited_s,
        "left_out_s": timing.left_out_s,
        **({"reference_s": timing.reference_s(workload)} if workload else {}),
    }


def typical(calls: Sequence[float]) -> list[int]:
    """Return the places of the fifth of the calls in the middle by duration, three at least."""
    order = sorted(range(len(calls)), key=calls.__getitem__)
    count = max(3, round(_MIDDLE * len(calls)))
    first = max(0, (len(calls) - count) // 2)
    return sorted(order[first : first + count])


def thinned(seconds: Sequence[float], most: int) -> list[float]:
    """Return at most ``most`` of the values, evenly spread over time, with four digits."""
    if len(seconds) > most:
        positions = np.linspace(0, len(seconds) - 1, most).round().astype(int)
        seconds = [seconds[position] for position in positions]
    return [float(f"{value:.4g}") for value in seconds]


def drift(timing: Timing, workload: str | None) -> float:
    """Return the change of the location ÷ reference, first to last third of the counted blocks."""
    locations = [
        fastest_decile_mean(block.calls) / (block.reference_s(workload) if workload else 1)
        for block in timing.counted
    ]
    third = len(locations) // 3
    first, last = locations[:third], locations[-third:] if third else []
    if not third or (min(last) <= max(first) and min(first) <= max(last)):
        return 0.0  # they overlap: scattered, not drifting
    return float(np.median(last) / np.median(first)) - 1


def _whole(
    warm: WarmUp, timing: Timing, threads: int, workload: str | None, batch_size: int, tail: bool
) -> ProbeResult:
    usage = timing.usage()
    return ProbeResult(
        metrics=summary(timing, batch_size, workload, tail),
        samples={"latency_s": _kept(timing.calls, tail)},
        details={
            "flags": usage.flags(threads) + _flags(warm, timing, workload),
            "disturbances": usage.disturbances(),
            "calls": len(timing.calls),
            "is_disturbed": timing.is_disturbed,
            "blocks": len(timing.blocks),
            "blocks_left_out": len(timing.blocks) - len(timing.counted),
            "reference_s": {name: timing.reference_s(name) for name in WORKLOADS},
            "fastest": fastest_detail(timing.fastest, threads),
            "warm_up_windows_s": thinned(warm.windows, 50),
            "warm": warm.agreed,
            "own_cores": _rounded(usage.own_cores),
            "other_cores": _rounded(usage.other_cores),
            "stolen_cores": _rounded(usage.stolen_cores),
        },
    )


def _of_calls(calls: Sequence[float], tail: bool) -> dict[str, float]:
    """Return location, mean and percentiles of calls."""
    wanted = (*percentiles.USUAL, percentiles.TAIL) if tail else percentiles.USUAL
    return {
        "latency_location_s": fastest_decile_mean(calls),
        "latency_mean_s": float(np.mean(calls)),
        **{
            f"latency_{percentiles.word(q)}_s": value
            for q in wanted
            if (value := percentiles.percentile(calls, q)) is not None
        },
    }


def _with_tail(config: TimingConfig, tail: bool) -> TimingConfig:
    return replace(config, calls=max(config.calls, TAIL_CALLS)) if tail else config


def _kept(calls: Sequence[float], tail: bool) -> list[float]:
    return thinned(calls, _MOST_TAIL_SAMPLES if tail else _MOST_SAMPLES)


def _flags(warm: WarmUp, timing: Timing, workload: str | None) -> list[str]:
    found = []
    if not warm.agreed:
        found.append("not warmed up: successive windows differed until the warm-up ended")
    change = drift(timing, workload)
    if abs(change) > _DRIFT:
        found.append(f"drifting: {change:+.0%} from the first to the last third of the calls")
    return found


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
