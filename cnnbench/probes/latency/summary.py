"""Records of a latency -> numbers: drift-corrected estimates over the rounds of a cell.

All latency metrics are estimated alike: one value per valid round; where the runtime has a
reference, divided by the reading of that round and multiplied by the median reading. Percentiles
are taken over all calls together; neither the value nor the interval of a higher percentile lies
below that of a lower one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cached_property
from statistics import median

from cnnbench.probes.latency.settings import has_tail
from cnnbench.probes.summary import plain, samples_of
from cnnbench.record import Record
from cnnbench.statistics import estimates, percentiles
from cnnbench.statistics.estimates import Estimate
from cnnbench.statistics.measurement import CellStatus, Measurement
from cnnbench.statistics.robust import FEWEST_PROCESSES
from cnnbench.statistics.verdict import Verdict
from cnnbench.units import show

# The metrics that tables show first; rounds end when the interval of each is narrow enough.
DECIDING = ("latency_location_s", "latency_p50_s")

_RATE = "throughput_per_s"
_ONE_A_ROUND = ("latency_location_s", "latency_mean_s", "latency_typical_s", _RATE)
_PERCENTILES = {f"latency_{percentiles.word(q)}_s": q for q in percentiles.CALLS_NEEDED}
_RENAMED = {
    "never warm: successive windows differed to the end of the warm-up": "not warmed up",
}


# Of rounds measured before blocks were left out: beyond what the clock does by itself on a quiet
# machine (5 %), well within what a neighbour does (35 to 55 %).
_SLOWED = 1.25


class Rounds:
    """Rounds of a cell in which calls were timed, in their order."""

    def __init__(self, records: Iterable[Record]) -> None:
        self.timed = [r for r in records if (r.metrics.get("latency_location_s") or 0) > 0]
        tail = any(has_tail(record.setting.get("tail", "")) for record in self.timed)
        self._percentiles = {
            n: q for n, q in _PERCENTILES.items() if tail or q in percentiles.USUAL
        }

    @cached_property
    def undisturbed(self) -> list[Record]:
        """Rounds whose counted calls were timed while the machine was quiet."""
        fastest = min((r.metrics.get("reference_s", math.inf) for r in self.timed), default=0.0)
        return [record for record in self.timed if not _is_disturbed(record, fastest)]

    @cached_property
    def counting(self) -> list[Record]:
        """Valid rounds: the undisturbed, or all where these are too few."""
        enough = len(self.undisturbed) >= FEWEST_PROCESSES
        return self.undisturbed if enough else self.timed

    @cached_property
    def estimates(self) -> dict[str, Estimate]:
        """Metric -> its estimate, for every timed metric."""
        found = {}
        for metric in _ONE_A_ROUND:
            timed = [r for r in self.counting if (r.metrics.get(metric) or 0) > 0]
            if timed:
                found[metric] = _estimate([r.metrics[metric] for r in timed], timed, metric)
        return found | self._of_all_calls()

    @cached_property
    def missing(self) -> dict[str, str]:
        """Percentile -> why it is missing."""
        return {
            metric: f"{percentiles.calls_missing(len(self._calls), q)} more calls needed for p{q:g}"
            for metric, q in self._percentiles.items()
            if metric not in self.estimates
        }

    def samples(self, metric: str) -> tuple[float, ...]:
        """Return one value per valid round."""
        if metric in _PERCENTILES:
            return _of_rounds(metric, self.counting)
        return tuple(r.metrics[metric] for r in self.counting if metric in r.metrics)

    def is_narrow(self, precision: float) -> bool:
        """Return whether rounds may end: the intervals of `DECIDING` are narrow enough."""
        found = [self.estimates[metric] for metric in DECIDING if metric in self.estimates]
        return estimates.converged(found, len(self.undisturbed), precision)

    def verdict(self, found: Estimate, precision: float | None, capped: str) -> Verdict:
        """Return whether an estimate is stable; ``capped`` as in `estimates.verdict`."""
        flags = [_doubts(record) for record in self.counting]
        causes = [record.details.get("disturbances", []) for record in self.counting]
        counts = len(self.timed), len(self.undisturbed)
        return estimates.verdict(found, *counts, precision, flags, causes, capped)

    @cached_property
    def _calls(self) -> list[float]:
        """All calls of the valid rounds, scaled to the median speed of the machine."""
        beside = _references(self.counting) or [1.0] * len(self.counting)
        scale = median(beside)
        return [
            seconds * (scale / reference)
            for record, reference in zip(self.counting, beside, strict=True)
            for seconds in _calls(record)
        ]

    def _of_all_calls(self) -> dict[str, Estimate]:
        """Percentiles of all calls, each with the interval of the per-round percentiles.

        The interval is widened to contain the value, which a disturbed round moves further than
        the robust mean. Its ends keep the order of the percentiles.
        """
        found: dict[str, Estimate] = {}
        low = high = 0.0
        rounds = [record for record in self.counting if _calls(record)]
        for metric, q in self._percentiles.items():
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
    """Summarise latencies by `Rounds`, what quiet cost by its sum, all else plainly."""
    rounds = Rounds(records)
    if not rounds.timed:
        return plain(records, status)
    summaries = plain(rounds.counting, status)
    precision, capped = records[-1].details.get("precision"), _capped(records)
    for name, found in rounds.estimates.items():
        verdict = rounds.verdict(found, precision, capped)
        # One round has no interval, not one of no width.
        low, high = (found.low, found.high) if len(rounds.timed) > 1 else (None, None)
        summaries[name] = Measurement(found.value, status, low, high, verdict, rounds.samples(name))
    return (
        summaries
        | _cost(rounds, status)
        | {
            name: Measurement(None, CellStatus.note(words))
            for name, words in rounds.missing.items()
        }
    )


def _cost(rounds: Rounds, status: CellStatus) -> dict[str, Measurement]:
    """Return what measuring while the machine is quiet has cost, over all rounds."""
    samples = samples_of(rounds.timed)
    costs = {name: samples[name] for name in ("waited_s", "left_out_s") if name in samples}
    disturbed = len(rounds.timed) - len(rounds.undisturbed)
    return {name: Measurement(sum(of), status, samples=of) for name, of in costs.items()} | {
        "disturbed_rounds": Measurement(disturbed, status)
    }


def _is_disturbed(record: Record, fastest: float) -> bool:
    """Return whether disturbed calls count in a round; ``fastest`` is the cell's reference."""
    said = record.details.get("is_disturbed")
    if said is None:  # an older record: its reference took longer than that of the other rounds
        return record.metrics.get("reference_s", 0.0) > _SLOWED * fastest
    return bool(said)


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
    references = _references(rounds)
    if metric != _RATE:
        return estimates.estimate(samples, references)
    found = estimates.estimate([1 / sample for sample in samples], references)
    return Estimate(1 / found.value, 1 / found.high, 1 / found.low)


def _references(rounds: Sequence[Record]) -> list[float] | None:
    """Return the reference of each round, or None unless all have one."""
    found = [record.metrics.get("reference_s") or 0 for record in rounds]
    return found if min(found, default=0) > 0 else None


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
