"""Reasons why a network can no longer win, given what was measured so far.

Pure functions of records: `Judge` holds the question and the cells that measure its metrics.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from cnnbench import units
from cnnbench.metrics import column
from cnnbench.plugins import PROBES
from cnnbench.record import Record, model_title
from cnnbench.results import tables
from cnnbench.results.report import FACTS
from cnnbench.row import Row
from cnnbench.selection.answer import terms
from cnnbench.selection.choose.limits import Limit, Violation, difference
from cnnbench.selection.choose.ties import ties
from cnnbench.statistics.measurement import Measurement
from cnnbench.statistics.robust import FEWEST_PROCESSES
from cnnbench.suite.plan import Cell, Network
from cnnbench.suite.question import Question
from cnnbench.text import shape_text

Rows = Mapping[tuple[str, ...], Row]


@dataclass(frozen=True)
class Known:
    """Records that a decision may use.

    Attributes:
        records: of the jobs that were asked for so far.
        asked: keys of these jobs.
    """

    records: Sequence[Record]
    asked: Collection[str]

    @cached_property
    def state(self) -> frozenset[tuple[str, int]]:
        """Key and attempt of each record; what is computed from them is computed once."""
        return frozenset((record.key, record.attempt) for record in self.records)


class Judge:
    """Judges networks by a question.

    Args:
        question: resolved.
        cells: all of the suite.
    """

    def __init__(self, question: Question, cells: Iterable[Cell]) -> None:
        self.question = question
        self.objective, self.limits = terms(question)
        self._cells: dict[Network, dict[str, list[Cell]]] = defaultdict(lambda: defaultdict(list))
        for cell in cells:
            for name in question.columns:
                if name in cell.columns:
                    self._cells[cell.network][name].append(cell)
        self._tables: dict[frozenset[tuple[str, int]], Rows] = {}
        self._compared: dict[tuple[object, ...], dict[Network, str]] = {}

    def is_deciding(self, cell: Cell) -> bool:
        """Return whether a cell measures the objective or a limited metric."""
        return not cell.columns.isdisjoint(self.question.columns)

    def measures_objective(self, cell: Cell) -> bool:
        """Return whether a cell measures the objective."""
        return self.question.objective in cell.columns

    def objections(self, networks: Sequence[Network], known: Known) -> dict[Network, str]:
        """Return the networks that cannot keep the limits or have no objective, with the reason.

        A number that its cells are still measuring only counts if its interval is decisive.
        """
        rows = self._rows(known)
        found = {}
        for network in networks:
            row = rows.get(_row_name(network)) or Row(*network[:2])
            if reason := next(self._objections_to(network, row, known), ""):
                found[network] = reason
        return found

    def behind(
        self, networks: Sequence[Network], known: Known, error: float, cells: Sequence[Cell] = ()
    ) -> dict[Network, str]:
        """Return the networks that are significantly worse than the best, with the reason.

        Args:
            networks: those that are compared.
            known: what is known of them.
            error: of the whole family of comparisons.
            cells: compared by these, which measure the objective after a short training, instead
                of by the objective itself.

        The best is that of the networks which certainly keep all limits; without one there are no
        comparisons.
        """
        rows = self._rows(known)
        numbers = self.numbers(networks, known, cells)
        compared = {n: found for n, found in numbers.items() if found.value is not None}
        certain = [n for n in compared if self._keeps_limits(rows[_row_name(n)])]
        best = min(certain, key=lambda n: self._badness(compared[n]), default=None)
        if best is None:
            return {}
        place = known.state, tuple(compared), best, error, tuple(cell.key for cell in cells)
        if place not in self._compared:
            self._compared[place] = dict(self._worse(best, compared, known, error, cells))
        return self._compared[place]

    def ordered(
        self, networks: Iterable[Network], known: Known, cells: Sequence[Cell] = ()
    ) -> list[Network]:
        """Return networks by their objective, the best first, those without a value last.

        ``cells`` as in `behind`.
        """
        numbers = self.numbers(tuple(networks), known, cells)
        return sorted(numbers, key=lambda network: self._badness(numbers[network]))

    def _objections_to(self, network: Network, row: Row, known: Known) -> Iterator[str]:
        wanted: list[tuple[str, Limit | None]] = [(self.objective.column, None)]
        wanted += [(limit.column, limit) for limit in self.limits]
        for name, limit in wanted:
            cells = self._cells[network][name]
            if not cells:
                yield f"no cell of this suite measures {name} for it"
            found = row.read(name)
            is_complete = all(job.key in known.asked for cell in cells for job in cell.repeats)
            if limit and limit.standing(found) == "excluded":
                if is_complete or _is_decisive(found, limit):
                    yield str(Violation(name, limit.metric, found, limit))
            elif is_complete and not found.is_ranked:
                yield f"{name}: {found.why_absent}"

    def _rows(self, known: Known) -> Rows:
        """Return the rows of the report by `_row_name`."""
        if known.state not in self._tables:
            found = {}
            for row in tables.measured(known.records):
                facts = (row.facts.get(name, "") for name in FACTS)
                found[row.model, row.variant, *facts] = row
            self._tables[known.state] = found
        return self._tables[known.state]

    def numbers(
        self, networks: Sequence[Network], known: Known, cells: Sequence[Cell]
    ) -> dict[Network, Measurement]:
        """Return the objective of each network, or that by ``cells`` as in `behind`."""
        rows = self._rows(known)
        columns = dict.fromkeys(networks, self.objective.column)
        if cells:
            columns = {cell.network: self._short_column(cell) for cell in cells}
        found = {}
        for network in networks:
            row, name = rows.get(_row_name(network)), columns.get(network)
            found[network] = row.read(name) if row and name else Measurement()
        return found

    def _keeps_limits(self, row: Row) -> bool:
        return all(limit.standing(row.read(limit.column)) == "fits" for limit in self.limits)

    def _worse(
        self,
        best: Network,
        compared: Mapping[Network, Measurement],
        known: Known,
        error: float,
        cells: Sequence[Cell],
    ) -> Iterator[tuple[Network, str]]:
        others = [network for network in compared if network != best]
        name = self._short_column(cells[0]) if cells else self.objective.column
        p_values = self._p_values(best, [best, *others], known, cells)
        if p_values is not None:
            is_worse = [p < error for p in p_values[1:]]
        else:
            smaller = self.objective.sense == "minimize"
            numbers = [compared[network] for network in others]
            found = ties(compared[best], numbers, self.objective.metric, smaller, error)
            is_worse = [
                tie.is_tested
                and tie.tie_probability is None
                and self._badness(number) > self._badness(compared[best])
                for tie, number in zip(found, numbers, strict=True)
            ]
        unit = self.objective.metric.unit
        leader = model_title(*best[:2])
        is_tested = self.objective.metric.depends_on == "setting"
        how = "significantly behind" if is_tested else "behind"
        for network, worse in zip(others, is_worse, strict=True):
            if worse:
                value = compared[network].value or 0.0
                apart = abs(value - (compared[best].value or 0.0))
                words = f"{name} is {units.show(value, unit)}, {how} {leader}"
                yield network, f"{words} ({difference(apart, unit)})"

    def _p_values(
        self, best: Network, networks: Sequence[Network], known: Known, cells: Sequence[Cell]
    ) -> Sequence[float] | None:
        """Return p of each network by the probe that measures the objective, if it can test it."""
        of_cell: dict[Network, list[Record]] = {}
        settings = {}
        for network in networks:
            own = [cell for cell in cells if cell.network == network]
            for cell in own or ([] if cells else self._cells[network][self.objective.column]):
                keys = {job.key for job in cell.repeats}
                good = [r for r in known.records if r.key in keys and r.status == "ok"]
                if good and network not in of_cell:
                    of_cell[network] = good
                    settings[network] = cell
        if best not in of_cell or len(of_cell) < 2:
            return None
        probe, label = settings[best].probe, settings[best].setting.label()
        same = [
            n for n in of_cell if (settings[n].probe, settings[n].setting.label()) == (probe, label)
        ]
        records = [of_cell[network] for network in same]
        p_values = PROBES[probe].behind(self.objective.metric.name, same.index(best), records)
        if p_values is None:
            return None
        by_network = dict(zip(same, p_values, strict=True))
        return [by_network.get(network, 1.0) for network in networks]

    def _short_column(self, cell: Cell) -> str:
        """Return the column of the objective's metric in a cell with a short training."""
        metric = self.objective.metric.name
        return column(metric, cell.setting.label_for(metric))

    def _badness(self, found: Measurement) -> float:
        return float("inf") if found.value is None else self.objective.badness(found.value)


def _is_decisive(found: Measurement, limit: Limit) -> bool:
    """Return whether more repeats are not expected to move the interval across the limit."""
    if limit.metric.depends_on != "setting":
        return True
    if not found.has_interval or found.verdict.is_one_draw:
        return False
    return limit.metric.is_of_images or len(found.samples) >= FEWEST_PROCESSES


def _row_name(network: Network) -> tuple[str, ...]:
    model, variant, input_shape, classes = network
    return model, variant, shape_text(input_shape), str(classes)
