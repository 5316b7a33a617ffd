"""Records of a latency -> numbers: drift-corrected estimates over the rounds of a cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cnnbench.probes.latency.rounds import Rounds
from cnnbench.probes.summary import plain, samples_of
from cnnbench.record import Record
from cnnbench.statistics import estimates
from cnnbench.statistics.measurement import CellStatus, Measurement
from cnnbench.units import show

_RENAMED = {
    "never warm: successive windows differed to the end of the warm-up": "not warmed up",
}


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
