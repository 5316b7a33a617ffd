"""How far the call path moves the ranking: the same networks, timed through several runtimes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby
from statistics import median

from cnnbench.report.sections.latencies import measured_time, settings_of
from cnnbench.report.sections.section import Block, Section
from cnnbench.results.report import Report
from cnnbench.row import Row
from cnnbench.statistics.ranks import FEWEST_RANKS, ranks, spearman
from cnnbench.units import show

_TITLE = "How far the call path moves the ranking"
_INTRODUCTION = (
    "The same networks through every call path that was measured. A time is the location: of each "
    "process the mean of its fastest tenth of calls, drift taken out; medians stand in the table "
    "above. In brackets: the place among the networks that all of them have timed, the fastest "
    "first. A correlation is Spearman's, with its 95 % interval over networks; the noise of a "
    "single time is not in it."
)


@dataclass(frozen=True)
class Paths:
    """Call paths on one device with one batch size, and the networks that all of them timed.

    Attributes:
        title: ``cpu, b1``.
        settings: ``cpu/litert/b1`` and so on.
        rows: the networks.
        seconds: setting -> a time a network, in the order of ``rows``.
    """

    title: str
    settings: tuple[str, ...]
    rows: tuple[Row, ...]
    seconds: dict[str, tuple[float, ...]]

    @property
    def places(self) -> dict[str, list[int]]:
        """setting -> the place of every network."""
        return {setting: ranks(self.seconds[setting]) for setting in self.settings}


def paths(report: Report) -> list[Paths]:
    """For every device and batch size, its call paths: two at least, with enough networks."""
    rows = report.rows
    settings = sorted(settings_of(report), key=_alike)
    found = []
    for title, group in groupby(settings, key=_alike):
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
    """The section of a report; None where no two call paths timed the same networks."""
    found = paths(report)
    if not found:
        return None
    correlations = _correlations(report)
    blocks = [*(_times(group) for group in found), *([correlations] if correlations else [])]
    notes = tuple(note for group in found for note in (_spread(group), *_moved(group)))
    return Section(
        "call_paths", "Call paths", _TITLE, _INTRODUCTION, tuple(blocks), "What moves", notes
    )


def _alike(setting: str) -> str:
    """The device and all that follows the runtime: what settings of one group have in common."""
    device, _, *rest = setting.split("/")
    return ", ".join([device, *rest])


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
    return Block(f"Time a call and place: {group.title}", heads, tuple(rows))


def _correlations(report: Report) -> Block | None:
    """Every two settings of a device, of other batch sizes too."""
    rows, settings, lines = report.rows, settings_of(report), []
    times = {setting: [measured_time(row, setting).value for row in rows] for setting in settings}
    for first, second in combinations(settings, 2):
        both = zip(times[first], times[second], strict=True)
        pairs = [(a, b) for a, b in both if a and b]
        if first.split("/")[0] != second.split("/")[0] or len(pairs) < FEWEST_RANKS:
            continue
        lines.append((f"{first} and {second}", *spearman(*zip(*pairs, strict=True)).words))
    heads = ("Call paths", "Models", "rho", "Interval")
    return Block("Rank correlation of two call paths", heads, tuple(lines)) if lines else None


def _ratio(group: Paths, index: int) -> float:
    times = [group.seconds[setting][index] for setting in group.settings]
    return max(times) / min(times)


def _spread(group: Paths) -> str:
    """The call path that is fastest how often, and what the wrong one costs."""
    places = range(len(group.rows))
    wins = Counter(min(group.settings, key=lambda s: group.seconds[s][at]) for at in places)
    fastest = ", ".join(f"{setting} for {count}" for setting, count in wins.most_common())
    ratios = [_ratio(group, at) for at in places]
    return (
        f"{group.title}: of {len(group.rows)} networks the fastest call path is {fastest}; the "
        f"slowest takes {min(ratios):.1f} to {max(ratios):.1f} times as long (median "
        f"{median(ratios):.1f})."
    )


def _moved(group: Paths) -> Iterator[str]:
    """A network whose place differs by a quarter of the table from one call path to another."""
    far = max(3, math.ceil(len(group.rows) / 4))
    places = group.places
    for index, row in enumerate(group.rows):
        of = {setting: places[setting][index] for setting in group.settings}
        best, worst = min(of, key=lambda s: of[s]), max(of, key=lambda s: of[s])
        if of[worst] - of[best] >= far:
            yield (
                f"{row.name}: place {of[best]} of {len(group.rows)} in {best}, "
                f"{of[worst]} in {worst}."
            )
