"""Ranking by task: the same backbones as classifiers, localisers and detectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from statistics import fmean, variance

import numpy as np
import numpy.typing as npt

from cnnbench.errors import UserError
from cnnbench.metrics import METRICS, split
from cnnbench.models import model_name
from cnnbench.models.heads import HEADS
from cnnbench.named import Named
from cnnbench.record import FLOAT32
from cnnbench.report.sections.section import Block, Section
from cnnbench.results.report import Report
from cnnbench.row import Row
from cnnbench.statistics.measurement import Measurement
from cnnbench.statistics.ranks import kendall, ranks
from cnnbench.tasks.task import DEFAULT, TASKS
from cnnbench.units import show

FEWEST = 3
"""Backbones that two tasks must share: with two there is only one pair to order."""

_TITLE = "Does the ranking change with the task?"
_INTRODUCTION = (
    "The same backbones with the heads of several tasks, ranked by the primary metric of each "
    "task; the rank is in brackets. Kendall's tau-b is the share of the pairs of backbones that "
    "two tasks order alike, minus the share that they order differently: 1 is the same order, -1 "
    "the reverse. Its 95 % interval covers the choice of seeds, for these test images and these "
    "backbones: every mean is redrawn from its t-distribution, with the variance between seeds "
    "pooled over the backbones of a task. The ranking is called the same only if the whole "
    "interval is 1, and changed only if some pair changes places beyond the noise of the seeds: an "
    "interval below 1 alone also comes from backbones that are too close to order."
)
_DRAWS = 4000
_SEED = 23
_SURE = 0.975  # of all draws; both tails together are 5 %
_OF_WHOLE = ("input_shape", "classes")  # parameters that are not the backbone's


@dataclass(frozen=True)
class Standings:
    """The backbones with one head, in one column.

    Attributes:
        title: the task, the head and the setting.
        column: the report's column with the task's primary metric.
        found: backbone -> measurement, in the order of the report.
    """

    title: str
    column: str
    found: dict[str, Measurement]


def standings(report: Report) -> list[Standings]:
    """Return the backbones above chance of each head and setting, if at least `FEWEST`."""
    found: dict[tuple[str, str], dict[str, Measurement]] = {}
    for row in report:
        known = _backbone(row)
        if known is None:
            continue
        backbone, head = known
        task = TASKS.get(HEADS[head].task if head else DEFAULT)
        for name in report.numbers if task else ():
            if task and split(name)[0] == task.primary and row.get(name).is_ranked:
                words = f"{task.name}{f' (+{head})' * bool(head)}"
                found.setdefault((words, name), {}).setdefault(backbone, row.get(name))
    labels = {_setting(name) for _, name in found}
    return [
        Standings(words if len(labels) == 1 else f"{words}, {_setting(name)}", name, of)
        for (words, name), of in found.items()
        if len(of) >= FEWEST
    ]


def _setting(name: str) -> str:
    """Return the setting of a column without the task, which is named beside it."""
    return "/".join(part for part in split(name)[1].split("/") if not part.startswith("task="))


def _backbone(row: Row) -> tuple[str, str] | None:
    """Return the backbone of a row without input and classes, and its head; None if unknown."""
    try:
        written = model_name.parse(row.model)
    except UserError:  # a name of another version, in a table from elsewhere
        return None
    head = written.head.name if written.head else ""
    if row.variant != FLOAT32 or (head and head not in HEADS):
        return None
    own = tuple(one for one in written.parameters if one[0] not in _OF_WHOLE)
    return str(Named(written.name, own)), head


@dataclass(frozen=True)
class Pairing:
    """Two tasks, and the backbones that both have.

    Attributes:
        first, second: the tasks.
        backbones: in the order of the first.
    """

    first: Standings
    second: Standings
    backbones: tuple[str, ...]

    @property
    def sides(self) -> tuple[Standings, Standings]:
        return self.first, self.second

    @property
    def tau(self) -> float:
        values = ([one.found[name].value or 0.0 for name in self.backbones] for one in self.sides)
        return float(kendall(*values))

    @cached_property
    def draws(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] | None:
        """Redrawn means of each task, ``(draws, backbones)``; None if there are too few seeds."""
        found = [_drawn(one, self.backbones, place) for place, one in enumerate(self.sides)]
        return None if found[0] is None or found[1] is None else (found[0], found[1])

    @cached_property
    def interval(self) -> tuple[float, float] | None:
        """95 % interval of `tau`; None if there are too few seeds."""
        if self.draws is None:
            return None
        ordered = np.sort(kendall(*self.draws))
        tail = round((1 - _SURE) * _DRAWS)
        return float(ordered[tail]), float(ordered[-1 - tail])

    @property
    def answer(self) -> str:
        """The answer to the section's question, in words."""
        if self.interval is None:
            return "not settled: at least 2 seeds are needed"
        if self.interval[0] == 1:
            return "the same"
        # Not where 1 is outside the interval: of means that cannot be told apart, nearly all draws
        # have another order.
        return "changed" if any(self.reversed_pairs()) else "not settled"

    def reversed_pairs(self) -> Iterator[tuple[str, str]]:
        """Yield pairs of backbones of which each is better in one task: (in first, in second).

        In nearly all draws, with Bonferroni's correction for the number of pairs.
        """
        if self.draws is None:
            return
        first, second = self.draws
        pairs = list(combinations(range(len(self.backbones)), 2))
        sure = 1 - (1 - _SURE) / len(pairs)
        for a, b in pairs:
            ahead, behind = first[:, a] > first[:, b], second[:, a] < second[:, b]
            for is_first, is_second, better, worse in (
                (ahead, behind, a, b),
                (~ahead, ~behind, b, a),
            ):
                if (is_first & is_second).mean() >= sure:
                    yield self.backbones[better], self.backbones[worse]


def _drawn(one: Standings, backbones: Sequence[str], place: int) -> npt.NDArray[np.float64] | None:
    """Return means drawn from their t-distributions, ``(draws, backbones)``.

    The variance between seeds is pooled over all backbones of the task, as it is for tiers.
    """
    from scipy.special import stdtrit

    samples = [found.samples for found in one.found.values() if len(found.samples) > 1]
    freedom = sum(len(values) - 1 for values in samples)
    if not freedom or any(not one.found[name].samples for name in backbones):
        return None
    pooled = sum((len(values) - 1) * variance(values) for values in samples) / freedom
    counts = np.array([len(one.found[name].samples) for name in backbones])
    means = np.array([fmean(one.found[name].samples) for name in backbones])
    random = np.random.default_rng((_SEED, place)).random((_DRAWS, len(backbones)))
    return np.asarray(means + np.sqrt(pooled / counts) * stdtrit(freedom, random))


def pairings(found: Sequence[Standings]) -> list[Pairing]:
    """Return all pairs of tasks or heads that share at least `FEWEST` backbones."""
    pairs = []
    for first, second in combinations(found, 2):
        common = tuple(name for name in first.found if name in second.found)
        is_one_head = first.title.split(",")[0] == second.title.split(",")[0]
        if len(common) >= FEWEST and not is_one_head:
            pairs.append(Pairing(first, second, common))
    return pairs


def section(report: Report) -> Section | None:
    """Return the section; None if no two tasks share enough backbones."""
    found = standings(report)
    pairs = pairings(found)
    if not pairs:
        return None
    shown = [one for one in found if any(one in pair.sides for pair in pairs)]
    notes = tuple(note for pair in pairs for note in _notes(pair))
    return Section(
        "rankings",
        "Ranking by task",
        _TITLE,
        _INTRODUCTION,
        (_values(shown), _correlations(pairs)),
        "Answers",
        notes,
    )


def _values(shown: Sequence[Standings]) -> Block:
    backbones = list(dict.fromkeys(name for one in shown for name in one.found))
    places = {
        one.title: dict(
            zip(one.found, ranks([-(of.value or 0.0) for of in one.found.values()]), strict=True)
        )
        for one in shown
    }
    rows = []
    for name in backbones:
        cells = [_cell(one, name, places[one.title]) for one in shown]
        rows.append((name, *cells))
    heads = [f"{METRICS[split(one.column)[0]].title}: {one.title}" for one in shown]
    return Block("Quality and rank by task", ("Backbone", *heads), tuple(rows))


def _cell(one: Standings, backbone: str, places: dict[str, int]) -> str:
    found = one.found.get(backbone)
    if found is None:
        return ""
    text = show(found.value, METRICS[split(one.column)[0]].unit)
    return f"{text}{' ?' * found.is_doubtful} ({places[backbone]})"


def _correlations(pairs: Sequence[Pairing]) -> Block:
    rows = []
    for pair in pairs:
        words = f"{pair.first.title} and {pair.second.title}"
        ends = "" if pair.interval is None else "{:.2f} to {:.2f}".format(*pair.interval)
        rows.append((words, str(len(pair.backbones)), f"{pair.tau:.2f}", ends, pair.answer))
    heads = ("Tasks", "Backbones", "tau-b", "Interval", "Ranking")
    return Block("Rank correlation of two tasks", heads, tuple(rows))


def _notes(pair: Pairing) -> Iterator[str]:
    tasks = f"{pair.first.title} and {pair.second.title}"
    yield f"{tasks}: {_sentence(pair)}."
    for better, worse in pair.reversed_pairs():
        first, second = (one.title for one in pair.sides)
        yield f"{better} is better than {worse} in {first}, worse in {second}."


def _sentence(pair: Pairing) -> str:
    count = len(pair.backbones)
    if pair.answer == "the same":
        return f"the same ranking of all {count} backbones"
    if pair.answer == "changed":
        return "the ranking changes"
    return f"{pair.answer}; other seeds could change the order" if pair.interval else pair.answer
