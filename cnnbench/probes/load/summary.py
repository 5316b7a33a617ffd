"""Summary of the records of a load: rates and latencies are estimated as those of a network alone.

A rate is estimated by its reciprocal, a time, over the rounds of a cell. The interval of a highest
rate ends at the rates at which the bound did not hold any more, so that it covers the step of the
bisection too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from cnnbench.probes.latency import summary as latency
from cnnbench.probes.load.settings import FAILED, RATE, RATIO, LoadSetting, duration
from cnnbench.probes.probe import setting_of
from cnnbench.probes.summary import plain
from cnnbench.record import Record, is_number
from cnnbench.statistics.measurement import CellStatus, Measurement

SAMPLES = "query_s"
_LATENCY, _LOAD = "latency_", "load_"
_SHARED = ("reference_s", "waited_s", "left_out_s", "output_max_abs_diff", RATIO)
_TRIAL: Mapping[str, Any] = {
    "rate": is_number,
    "p50_s": lambda value: value is None or is_number(value),
    "quantile_s": lambda value: value is None or is_number(value),
    "holds": lambda value: isinstance(value, bool),
    "is_quiet": lambda value: isinstance(value, bool),
}


def are_trials(found: Any) -> bool:
    """Return whether a detail of a record is a list of trials, as `server.Trial` has them."""
    return isinstance(found, list) and all(
        isinstance(one, Mapping)
        and one.keys() == _TRIAL.keys()
        and all(is_right(one[name]) for name, is_right in _TRIAL.items())
        for one in found
    )


def of_load(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return the metrics of calls by the names of this probe: ``load_p50_s``."""
    return {
        _LOAD + name.removeprefix(_LATENCY): value
        for name, value in metrics.items()
        if name.startswith(_LATENCY)
    }


def as_latency(record: Record, rate: float | None = None) -> Record:
    """Return a record in the form of the ``latency`` probe's.

    Args:
        record: of a round.
        rate: in place of its own, if it has one.
    """
    rate = rate or record.metrics.get(RATE)
    if rate:
        metrics = {"latency_location_s": 1 / rate, "throughput_per_s": rate}
    else:
        metrics = {
            _LATENCY + name.removeprefix(_LOAD): value
            for name, value in record.metrics.items()
            if name.startswith(_LOAD)
        }
    metrics |= {name: record.metrics[name] for name in _SHARED if name in record.metrics}
    return replace(record, metrics=metrics, samples={"latency_s": record.samples.get(SAMPLES, [])})


def are_precise(records: Sequence[Record], precision: float) -> bool:
    """Return whether the rate, or the latencies, are within ``precision``."""
    return latency.are_precise([as_latency(record) for record in records], precision)


def summarise(records: Sequence[Record], status: CellStatus) -> dict[str, Measurement]:
    """Summarise the rounds of one scenario."""
    setting = setting_of(records[0])
    assert isinstance(setting, LoadSetting)
    found = latency.summarise([as_latency(record) for record in records], status)
    shared = plain(records, status) | found
    summaries = {name: shared[name] for name in (*_SHARED, "disturbed_rounds") if name in shared}
    if setting.scenario == "multi_stream":
        return summaries | {
            _LOAD + name.removeprefix(_LATENCY): found[name]
            for name in found
            if name.startswith(f"{_LATENCY}p")
        }
    with_rate = [record for record in records if record.metrics.get(RATE)]
    if 2 * len(with_rate) < len(records) or "throughput_per_s" not in found:
        words = _no_rate(setting, records)
        return summaries | {RATE: Measurement(None, CellStatus.note(words))}
    return summaries | {RATE: _widened(found["throughput_per_s"], records, with_rate, status)}


def _no_rate(setting: LoadSetting, records: Sequence[Record]) -> str:
    assert setting.bound is not None
    disturbed = sum(bool(record.details.get("is_disturbed")) for record in records)
    cause = f" (the machine was slowed down in {disturbed} of {len(records)} rounds)"
    found = f"p{setting.percentile} is over {duration(setting.bound)} at every rate tried"
    return found + cause * bool(disturbed)


def _widened(
    rate: Measurement,
    records: Sequence[Record],
    with_rate: Sequence[Record],
    status: CellStatus,
) -> Measurement:
    """Return a rate whose interval reaches to the rates at which the bound did not hold."""
    failed = [
        as_latency(record, high[0]) for record in with_rate if (high := record.samples.get(FAILED))
    ]
    if failed and rate.high is not None:
        above = latency.summarise(failed, status)["throughput_per_s"].high
        rate = replace(rate, high=max(rate.high, above or 0.0))
    if missing := len(records) - len(with_rate):
        reason = f"the bound held at no rate in {missing} of {len(records)} rounds"
        rate = replace(rate, verdict=rate.verdict.doubted(reason))
    return rate
