"""Order of the search, in waves of jobs, with a decision after each.

Cells are measured in the order of their cost: counts, then the files, latencies and trainings that
decide, then everything else of the networks that are left. After a wave a network is left out

- if a number that decides cannot be measured, or its value or whole interval is beyond its limit;
- if its objective is significantly worse than that of a network that certainly keeps all limits.

All of it is a function of the records: a run that was killed comes to the same decisions again, and
so does a replay of a complete journal. A decision uses only the records of jobs that the search had
asked for by then, whatever else is in the journal.

Tests of the objective have a family-wise error of 5 %: Holm's correction over the comparisons of
one decision, and a Bonferroni share of it for each decision. Short trainings (`Question.rungs`)
follow successive halving (Jamieson & Talwalkar, arXiv:1502.07943), but of the lower half only those
are left out that are significantly behind and whose distance to the best does not close from rung
to rung. The assumption: such a network does not win after the full training.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from cnnbench.execution.search.judge import Judge, Known
from cnnbench.plugins import PROBES
from cnnbench.record import Record
from cnnbench.statistics.measurement import Measurement
from cnnbench.statistics.robust import CONFIDENCE
from cnnbench.suite.plan import Cell, Job, Network
from cnnbench.suite.question import Question

Wave = Sequence[Job]
_COUNTS, _DECIDES, _REST = range(3)  # groups of cells, in their order


@dataclass(frozen=True)
class SearchState:
    """Decisions of a search so far, and the jobs that it needs next.

    Attributes:
        left_out: network -> why it can no longer win.
        wave: jobs to run before the next decision; none if the search is over.
        asked: keys of all jobs that were asked for so far.
    """

    left_out: Mapping[Network, str]
    wave: Wave
    asked: frozenset[str]


class Search:
    """Search over the cells of a plan.

    Args:
        question: resolved.
        cells: those that are wanted.
        plan: all that the suite has; by default the same.
    """

    def __init__(
        self, question: Question, cells: Sequence[Cell], plan: Sequence[Cell] | None = None
    ) -> None:
        self._cells = tuple(cells)
        self._judge = Judge(question, plan or cells)
        self._error = (1 - CONFIDENCE) / _decisions(
            question, filter(self._judge.measures_objective, cells)
        )
        self._users = _users(self._cells)

    def state(self, records: Iterable[Record], is_wanted: Callable[[Job], bool]) -> SearchState:
        """Return what is left out, and what to run next.

        Args:
            records: all so far; those of jobs that were left out are ignored.
            is_wanted: whether a job is still to be run, as far as its own cell is concerned.
        """
        tried = [record for record in records if not record.is_left_out]
        walk = _Walk(self._judge, self._cells, self._users, tried, self._error)
        for wave in walk.waves():
            walk.asked.update(job.key for job in wave)
            if left := tuple(job for job in wave if is_wanted(job)):
                return SearchState(walk.left_out, left, frozenset(walk.asked))
        return SearchState(walk.left_out, (), frozenset(walk.asked))

    def needs(self, cell: Cell, left_out: Mapping[Network, str]) -> bool:
        """Return whether a cell's network is still in question, or one that needs its result."""
        return any(user.network not in left_out for user in self._users[cell.key])

    def decides(self, cell: Cell) -> bool:
        """Return whether the answer needs a cell: counts, what decides, and what that needs."""
        return cell.setting.is_light or any(map(self._judge.is_deciding, self._users[cell.key]))


@dataclass
class _Walk:
    """One pass through the search, as far as the records go."""

    judge: Judge
    cells: Sequence[Cell]
    users: Mapping[str, Sequence[Cell]]
    records: Sequence[Record]
    error: float
    left_out: dict[Network, str] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)

    def waves(self) -> Iterator[Wave]:
        """Yield the waves; what follows one is only computed when all its jobs have ended."""
        for _, group in groupby(sorted(self.cells, key=self._cost), key=self._cost):
            cells = list(group)
            if prepares := [cell.prepare for cell in self._open(cells) if cell.prepare]:
                yield prepares
                self._object()
            if self._cost(cells[0])[0] == _REST:
                yield [job for cell in self._open(cells) for job in cell.repeats]
            elif not cells[0].setting.repeats_are_seeds:
                yield from self._rounds(cells)
            elif self.judge.measures_objective(cells[0]):
                yield from self._halving(cells)
            else:
                yield from self._seeds(cells)
            self._object()

    def _rounds(self, cells: Sequence[Cell]) -> Iterator[Wave]:
        """Yield the fewest rounds that are needed, then the others; all models are interleaved."""
        yield [job for cell in self._open(cells) for job in cell.repeats[: cell.rule.at_least]]
        self._object()
        self._compare()
        yield [job for cell in self._open(cells) for job in cell.repeats[cell.rule.at_least :]]
        self._object()
        self._compare()

    def _seeds(self, cells: Sequence[Cell]) -> Iterator[Wave]:
        """Yield trainings for a limit: network by network, the best objective first."""
        networks = dict.fromkeys(cell.network for cell in cells)
        for network in self.judge.ordered(networks, self._known()):
            for part in (slice(0, 2), slice(2, None)):
                own = [cell for cell in self._open(cells) if cell.network == network]
                yield [job for cell in own for job in cell.repeats[part]]
                self._object()
            self._compare()

    def _halving(self, cells: Sequence[Cell]) -> Iterator[Wave]:
        """Yield trainings for the objective: short ones, a seed of all, then further seeds.

        The better half gets each further seed first, and with it the others are compared.
        """
        before: list[Cell] = []
        for epochs in self.judge.question.rungs:
            keys = {short.key for cell in self._open(cells) if (short := cell.shortened(epochs))}
            rung = [cell for cell in self.cells if cell.key in keys]
            yield [job for cell in rung for job in cell.repeats]
            self._object()
            self._climb(cells, rung, before)
            before = rung
        for seed in range(max(cell.rule.at_most for cell in cells)):
            left = self._open(cells)
            upper = self._upper_half(left) if seed else {cell.network for cell in left}
            yield [j for c in left if c.network in upper for j in c.repeats[seed : seed + 1]]
            self._object()
            if seed:
                self._compare()
            yield [job for cell in self._open(cells) for job in cell.repeats[seed : seed + 1]]
            self._object()
        self._compare()

    def _open(self, cells: Sequence[Cell]) -> list[Cell]:
        """Return the cells whose network is still in question, or one that needs their result."""
        return [
            cell
            for cell in cells
            if any(user.network not in self.left_out for user in self.users[cell.key])
        ]

    def _object(self) -> None:
        self.left_out |= self.judge.objections(self._networks(), self._known())

    def _compare(self) -> None:
        self.left_out |= self.judge.behind(self._networks(), self._known(), self.error)

    def _climb(self, cells: Sequence[Cell], rung: Sequence[Cell], before: Sequence[Cell]) -> None:
        """Leave out who is in the lower half of a rung, behind the best, and not catching up.

        Args:
            cells: the full trainings.
            rung, before: the short trainings of this rung, and of the one before; none at first.
        """
        rung = [cell for cell in rung if cell.network not in self.left_out]
        networks, known = [cell.network for cell in rung], self._known()
        found = self.judge.behind(networks, known, self.error, rung)
        ordered = self.judge.ordered(networks, known, rung)
        kept = set(ordered[: _half(ordered)])
        trainings = [{cell.network: cell for cell in of} for of in (before, rung, cells)]
        for network in found.keys() - kept:
            best_and_own = ordered[0], network
            if all(n in of for n in best_and_own for of in trainings):
                gaps = [
                    self._gap(*best_and_own, self.judge.numbers(best_and_own, known, list(of)))
                    for of in (before, rung)
                ]
                if final_gap(gaps, [_work(of[network]) for of in trainings]) <= 0:
                    kept.add(network)
        self.left_out |= {network: why for network, why in found.items() if network not in kept}

    def _gap(self, best: Network, other: Network, of: Mapping[Network, Measurement]) -> float:
        """Return by how much a network is worse than the best; infinite if that is unknown."""
        values = of[best].value, of[other].value
        if values[0] is None or values[1] is None:
            return math.inf
        return self.judge.objective.badness(values[1]) - self.judge.objective.badness(values[0])

    def _upper_half(self, cells: Sequence[Cell]) -> set[Network]:
        """Return the better half of the cells' networks, the middle one included."""
        networks = dict.fromkeys(cell.network for cell in cells)
        ordered = self.judge.ordered(networks, self._known())
        return set(ordered[: _half(ordered)])

    def _networks(self) -> list[Network]:
        networks = dict.fromkeys(cell.network for cell in self.cells)
        return [network for network in networks if network not in self.left_out]

    def _known(self) -> Known:
        return Known([r for r in self.records if r.key in self.asked], frozenset(self.asked))

    def _cost(self, cell: Cell) -> tuple[int, int, int, bool]:
        """Return the place of a cell's group: what is counted, what decides, the rest."""
        decides = any(map(self.judge.is_deciding, self.users[cell.key]))
        tier = _COUNTS if cell.setting.is_light else _DECIDES if decides else _REST
        stage = list(PROBES).index(cell.probe), cell.setting.stage()
        return tier, *stage, self.judge.measures_objective(cell)


def _decisions(question: Question, objective: Iterable[Cell]) -> int:
    """Return how many decisions share the error: one per rung and seed, two of rounds."""
    seeds = [cell.rule.at_most for cell in objective if cell.setting.repeats_are_seeds]
    return len(question.rungs) + max(seeds) if seeds else 2


def final_gap(gaps: Sequence[float], work: Sequence[float]) -> float:
    """Return the distance to the best after the full training, if it closes as between two rungs.

    Args:
        gaps: distance after the shorter and after the longer of two short trainings.
        work: amount of training of these two, and of the full training.

    It is extrapolated linearly in the logarithm of the training; a distance that grows stays.
    """
    before, now = gaps
    if work[1] <= work[0]:
        return now
    step, rest = math.log(work[1] / work[0]), math.log(work[2] / work[1])
    return now - max(before - now, 0.0) * rest / step


def _work(cell: Cell) -> float:
    return cell.setting.training_pixels(cell.input_and_classes[0])


def _half(ordered: Sequence[Network]) -> int:
    """Return the size of the better half, the middle one included."""
    return (len(ordered) + 1) // 2


def _users(cells: Iterable[Cell]) -> dict[str, tuple[Cell, ...]]:
    """Return key -> the cell, and those in later stages of its probe that need its result."""
    of_model: dict[tuple[str, str], list[Cell]] = defaultdict(list)
    for cell in cells:
        of_model[cell.probe, cell.model.label].append(cell)
    return {
        cell.key: (cell, *(one for one in own if one.setting.stage() > cell.setting.stage()))
        for own in of_model.values()
        for cell in own
    }
