"""Replay rules for leaving out disturbed blocks, and references to divide by, on recorded traces.

For every rule: of rounds of ``--blocks`` kept blocks each, the robust spread of a network's time
over the rounds (1.4826 × the median absolute deviation of its logarithm), its shift against the
quiet trace, and the share of blocks that were kept. A rule looks at the references only.

    python benchmarks/replay.py QUIET.npz [DISTURBED.npz ...] [--blocks 20] [--location p10|p50]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from record_trace import Trace, read

from cnnbench.statistics.robust import deviation

WITHIN = (None, 0.02, 0.05, 0.08, 0.12, 0.25)
_LONGEST = 6  # a round ends after this many times the blocks that it wants


@dataclass(frozen=True)
class Block:
    """A block of a network's calls: its calls, and the references on both sides."""

    calls: np.ndarray
    before: dict[str, float]
    after: dict[str, float]

    def slowest(self, name: str) -> float:
        return max(self.before[name], self.after[name])

    def mean(self, name: str) -> float:
        return (self.before[name] + self.after[name]) / 2


def blocks_of(trace: Trace) -> dict[str, list[Block]]:
    """Return the blocks of every network, in order."""
    found: dict[str, list[Block]] = {name: [] for name in trace.names if "ref/" not in name}
    beside: dict[str, float] = {}
    waiting: tuple[str, np.ndarray, dict[str, float]] | None = None
    for kind, calls in zip(trace.kinds, trace.calls, strict=True):
        name = trace.names[kind]
        if name.startswith("ref/"):
            beside[name] = float(np.median(calls))
            continue
        if waiting:
            found[waiting[0]].append(Block(waiting[1], waiting[2], dict(beside)))
        waiting = (name, calls, dict(beside))
    return found


def rounds(
    blocks: Sequence[Block], best: float, sentinel: str, within: float | None, wanted: int
) -> Iterator[tuple[list[Block], int]]:
    """Yield the blocks kept in each round and how many were measured for them."""
    kept: list[Block] = []
    used = 0
    for block in blocks:
        used += 1
        if within is None or block.slowest(sentinel) <= (1 + within) * best:
            kept.append(block)
        if len(kept) == wanted or used == _LONGEST * wanted:
            yield kept, used
            kept, used = [], 0


def location(blocks: Sequence[Block], how: str) -> float:
    """Return the time of a call in a round: its median, or the mean of its fastest tenth."""
    calls = np.sort(np.concatenate([block.calls for block in blocks]))
    return float(np.median(calls) if how == "p50" else calls[: max(3, len(calls) // 10)].mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("traces", nargs="+", type=Path)
    parser.add_argument("--blocks", type=int, default=20)
    parser.add_argument("--location", choices=("p10", "p50"), default="p50")
    arguments = parser.parse_args()
    traces = {path.stem: read(path) for path in arguments.traces}
    quiet = next(iter(traces.values()))
    references = [name for name in quiet.names if name.startswith("ref/")]
    truth = {
        name: location(blocks, arguments.location) for name, blocks in blocks_of(quiet).items()
    }
    for title, trace in traces.items():
        print(f"\n{title}")
        for name, blocks in blocks_of(trace).items():
            print(f"  {name}")
            for sentinel in references:
                best = min(np.quantile([b.slowest(sentinel) for b in blocks], 0.02), np.inf)
                for within in WITHIN:
                    if within is None and sentinel != references[0]:
                        continue
                    made = list(rounds(blocks, best, sentinel, within, arguments.blocks))
                    full = [kept for kept, _ in made if len(kept) == arguments.blocks]
                    if len(full) < 4:
                        continue
                    times = np.array([location(kept, arguments.location) for kept in full])
                    share = sum(len(k) for k, _ in made) / sum(used for _, used in made)
                    spreads = [f"plain {100 * deviation(np.log(times)):5.1f}"]
                    for by in references:
                        divided = times / [np.median([b.mean(by) for b in kept]) for kept in full]
                        spreads.append(f"÷{by[4:]} {100 * deviation(np.log(divided)):5.1f}")
                    rule = "all blocks" if within is None else f"{sentinel} {within:.0%}"
                    shift = np.median(times) / truth[name] - 1
                    print(
                        f"    {rule:20} rounds {len(full)}/{len(made)} kept {share:4.0%} "
                        f"shift {shift:+6.1%}  spread % {'  '.join(spreads)}"
                    )


if __name__ == "__main__":
    main()
