"""Ranking by runtime: the same networks, timed in several runtimes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby
from statistics import median

from cnnbench.report.sections.section import (
    Block,
    Section,
    far_apart,
    measured_time,
    settings_of,
)
from cnnbench.results.report import Report
from cnnbench.row import Row
from cnnbench.statistics.ranks import FEWEST_RANKS, ranks, spearman
from cnnbench.units import show

_TITLE = "How the runtime changes the ranking"
_INTRODUCTION = (
    "The same networks in every measured runtime. Times are the latency location, the "
    "drift-corrected mean of the fastest tenth of calls of each process; the table above shows "
    "medians. In brackets: the rank among the networks timed in all runtimes, 1 is the fastest. "
    "Correlations are Spearman's; their 95 % intervals cover the choice of networks, not the noise "
    "of individual times."
)


@dataclass(frozen=True)
class Paths:
    """Runtimes on one device with one batch size, and the networks timed in all of them.

    Attributes:
        title: ``cpu, b1``.
        settings: ``cpu/litert/b1`` and so on.
        rows: the networks.
        seconds: setting -> one time per network, in the order of ``rows``.
    """

    title: str
    settings: tuple[str, ...]
    rows: tuple[Row, ...]
    seconds: dict[str, tuple[float, ...]]

    @property
    def places(self) -> dict[str, list[int]]:
        """Return setting -> the rank of every network."""
        return {setting: ranks(self.seconds[setting]) for setting in self.settings}


def paths(report: Report) -> list[Paths]:
    """Return the runtimes of every device and batch size: two at least, with enough networks."""
    rows = report.rows
    titles = {label: _title_of(axes) for label, axes in settings_of(report).items()}
    found = []
    for title, group in groupby(sorted(titles, key=titles.__getitem__), key=titles.__getitem__):
        members = [setting for setting in group if _count(rows, setting) >= FEWEST_RANKS]
        common = [row for row in rows if all(measured_time(row, s).value for s in members)]
        if len(members) > 1 and len(common) >= FEWEST_RANKS:
            seconds = {
                setting: tuple(measured_time(row, setting).value or math.nan for row in common)
                for setting in members
            }
            found.append(Paths(title, tuple(members), tuple(common), seconds))
    return found


def section(report: Report) -> Section | None:
    """Return the section of a report; None where no two runtimes timed the same networks."""
    found = paths(report)
    if not found:
        return None
    correlations = _correlations(report)
    blocks = [*(_times(group) for group in found), *([correlations] if correlations else [])]
    notes = tuple(note for group in found for note in (_spread(group), *_moved(group)))
    return Section(
        "call_paths", "Call paths", _TITLE, _INTRODUCTION, tuple(blocks), "Changes of rank", notes
    )


def _title_of(axes: Mapping[str, str]) -> str:
    """Return everything but the runtime, which settings of a group share: ``cpu, b1``."""
    return ", ".join(value for name, value in axes.items() if name != "runtime")


def _count(rows: Sequence[Row], setting: str) -> int:
    return sum(measured_time(row, setting).value is not None for row in rows)


def _times(group: Paths) -> Block:
    places = group.places
    rows = []
    for index, row in enumerate(group.rows):
        cells = [
            f"{show(group.seconds[setting][index], 's')} ({places[setting][index]})"
            + (" ?" if measured_time(row, setting).is_doubtful else "")
            for setting in group.settings
        ]
        rows.append((row.name, *cells, f"{_ratio(group, index):.1f}"))
    heads = ("Model", *group.settings, "Slowest ÷ fastest")
    return Block(f"Time per call and rank: {group.title}", heads, tuple(rows))


def _correlations(report: Report) -> Block | None:
    """Return the correlation of every two settings of a device, across batch sizes."""
    rows, settings, lines = report.rows, settings_of(report), []
    times = {setting: [measured_time(row, setting).value for row in rows] for setting in settings}
    for first, second in combinations(settings, 2):
        both = zip(times[first], times[second], strict=True)
        pairs = [(a, b) for a, b in both if a and b]
        is_one_device = settings[first]["device"] == settings[second]["device"]
        if not is_one_device or len(pairs) < FEWEST_RANKS:
            continue
        lines.append((f"{first} and {second}", *spearman(*zip(*pairs, strict=True)).words))
    heads = ("Runtimes", "Models", "rho", "Interval")
    return Block("Rank correlation of two runtimes", heads, tuple(lines)) if lines else None


def _ratio(group: Paths, index: int) -> float:
    times = [group.seconds[setting][index] for setting in group.settings]
    return max(times) / min(times)


def _spread(group: Paths) -> str:
    """Return how often each runtime is the fastest, and the cost of the slowest."""
    places = range(len(group.rows))
    wins = Counter(min(group.settings, key=lambda s: group.seconds[s][at]) for at in places)
    fastest = ", ".join(f"{setting} for {count}" for setting, count in wins.most_common())
    ratios = [_ratio(group, at) for at in places]
    return (
        f"{group.title}: of {len(group.rows)} networks the fastest runtime is {fastest}; the "
        f"slowest takes {min(ratios):.1f} to {max(ratios):.1f} times as long (median "
        f"{median(ratios):.1f})."
    )


def _moved(group: Paths) -> Iterator[str]:
    """Yield networks whose rank differs by a quarter of the table between runtimes."""
    far, places = far_apart(len(group.rows)), group.places
    for index, row in enumerate(group.rows):
        of = {setting: places[setting][index] for setting in group.settings}
        best, worst = min(of, key=lambda s: of[s]), max(of, key=lambda s: of[s])
        if of[worst] - of[best] >= far:
            yield (
                f"{row.name}: rank {of[best]} of {len(group.rows)} in {best}, "
                f"{of[worst]} in {worst}."
            )
