"""Records of a latency -> numbers: drift-corrected estimates over the rounds of a cell.

All latency metrics are estimated alike: one value per valid round, divided by the reference timed
beside it and multiplied by the median reference. Percentiles are taken over all calls together;
neither the value nor the interval of a higher percentile lies below that of a lower one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from statistics import median

from cnnbench.probes.summary import plain, samples_of
from cnnbench.record import Record
from cnnbench.statistics import estimates, percentiles
from cnnbench.statistics.drift_correction import counted
from cnnbench.statistics.estimates import Estimate
from cnnbench.statistics.measurement import CellStatus, Measurement
from cnnbench.units import show

# The metrics that tables show first; rounds end when the interval of each is narrow enough.
DECIDING = ("latency_location_s", "latency_p50_s")

_RATE = "throughput_per_s"
_ONE_A_ROUND = ("latency_location_s", "latency_mean_s", _RATE)
_PERCENTILES = {f"latency_p{q}_s": q for q in percentiles.CALLS_NEEDED}
_RENAMED = {
    "never warm: successive windows differed to the end of the warm-up": "not warmed up",
}


class Rounds:
    """Rounds of a cell in which a reference was timed with the network, in their order."""

    def __init__(self, records: Iterable[Record]) -> None:
        self.timed = [record for record in records if _has_reference(record)]
        self.references = [record.metrics["reference_s"] for record in self.timed]

    @cached_property
    def counting(self) -> list[Record]:
        """Valid rounds: without those in which the machine was slowed down."""
        return [self.timed[place] for place in counted(self.references)]

    @cached_property
    def estimates(self) -> dict[str, Estimate]:
        """Metric -> its estimate, for every timed metric."""
        found = {}
        for metric in _ONE_A_ROUND:
            timed = [r for r in self.counting if (r.metrics.get(metric) or 0) > 0]
            if timed:
                found[metric] = _estimate([r.metrics[metric] for r in timed], timed, metric)
        return found | self._percentiles()

    @cached_property
    def missing(self) -> dict[str, str]:
        """Percentile -> why it is missing."""
        return {
            metric: f"{percentiles.calls_missing(len(self._calls), q)} more calls needed for p{q}"
            for metric, q in _PERCENTILES.items()
            if metric not in self.estimates
        }

    def samples(self, metric: str) -> tuple[float, ...]:
        """Return one value per round, including rounds that are not valid."""
        if metric in _PERCENTILES:
            return _of_rounds(metric, self.timed)
        return tuple(r.metrics[metric] for r in self.timed if metric in r.metrics)

    def is_narrow(self, precision: float) -> bool:
        """Return whether rounds may end: the intervals of `DECIDING` are narrow enough."""
        found = [self.estimates[metric] for metric in DECIDING if metric in self.estimates]
        return estimates.converged(found, self.references, precision)

    @cached_property
    def _calls(self) -> list[float]:
        """All calls of the valid rounds, scaled to the median speed of the machine."""
        beside = [record.metrics["reference_s"] for record in self.counting]
        scale = median(beside)
        return [
            seconds * (scale / reference)
            for record, reference in zip(self.counting, beside, strict=True)
            for seconds in _calls(record)
        ]

    def _percentiles(self) -> dict[str, Estimate]:
        """Percentiles of all calls, each with the interval of the per-round percentiles.

        The interval is widened to contain the value, which a disturbed round moves further than
        the robust mean. Its ends keep the order of the percentiles.
        """
        found: dict[str, Estimate] = {}
        low = high = 0.0
        rounds = [record for record in self.counting if _calls(record)]
        for metric, q in _PERCENTILES.items():
            value = percentiles.percentile(self._calls, q)
            if value is None:
                continue
            own = _estimate(_of_rounds(metric, rounds), rounds, metric)
            low, high = max(low, min(own.low, value)), max(high, own.high, value)
            found[metric] = Estimate(value, low, high)
        return found


def are_precise(records: Sequence[Record], precision: float) -> bool:
    """Return whether the intervals of the latencies shown first are within ``precision``."""
    return Rounds(records).is_narrow(precision)


def summarise(records: Sequence[Record], status: CellStatus) -> dict[str, Measurement]:
    """Summarise latencies by `Rounds`, all else plainly; samples of all rounds are kept."""
    rounds = Rounds(records)
    if not rounds.timed:
        return plain(records, status)
    samples = samples_of(rounds.timed)
    summaries = {
        name: replace(summary, samples=samples[name])
        for name, summary in plain(rounds.counting, status).items()
    }
    precision, capped = records[-1].details.get("precision"), _capped(records)
    flags = [_doubts(record) for record in rounds.counting]
    for name, found in rounds.estimates.items():
        verdict = estimates.verdict(found, rounds.references, precision, flags, capped)
        # One round has no interval, not one of no width.
        low, high = (found.low, found.high) if len(rounds.timed) > 1 else (None, None)
        every = rounds.samples(name)
        summaries[name] = Measurement(found.value, status, low, high, verdict, every)
    return summaries | {
        name: Measurement(None, CellStatus.note(words)) for name, words in rounds.missing.items()
    }


def _capped(records: Sequence[Record]) -> str:
    """Return the time limit that ended the rounds, in words; empty where none did."""
    limit = records[-1].details.get("cell_limit_s")
    if limit is None or sum(record.duration_s for record in records) < limit:
        return ""
    return show(limit, "s")


def _doubts(record: Record) -> list[str]:
    """Return the flags of a round, those of older journals in today's words."""
    flags = [_RENAMED.get(flag, flag) for flag in record.details.get("flags", [])]
    if others := record.details.get("beside"):
        flags.append(f"another run was measuring on this machine ({', '.join(others)})")
    return flags


def _estimate(samples: Sequence[float], rounds: Sequence[Record], metric: str) -> Estimate:
    """Return the estimate of a metric; a rate is estimated through its reciprocal, a time."""
    references = [record.metrics["reference_s"] for record in rounds]
    if metric != _RATE:
        return estimates.estimate(samples, references)
    found = estimates.estimate([1 / sample for sample in samples], references)
    return Estimate(1 / found.value, 1 / found.high, 1 / found.low)


def _has_reference(record: Record) -> bool:
    return all((record.metrics.get(f"{of}_s") or 0) > 0 for of in ("latency_location", "reference"))


def _of_rounds(metric: str, records: Sequence[Record]) -> tuple[float, ...]:
    """Return the percentile of each round, however few calls it has."""
    return tuple(
        own
        if (own := record.metrics.get(metric)) is not None
        else percentiles.quantile(calls, _PERCENTILES[metric])
        for record in records
        if (calls := _calls(record))
    )


def _calls(record: Record) -> list[float]:
    return [seconds for seconds in record.samples.get("latency_s", []) if seconds is not None]
