"""Expand a suite into cells and jobs. A plan is data: nothing here runs or reads results."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from cnnbench.errors import UserError, UserErrors, all_of, one_of
from cnnbench.models import model_name
from cnnbench.models.handle import ModelInfo
from cnnbench.plugins import PROBES
from cnnbench.probes.settings import Setting, Spec, StoppingRule
from cnnbench.record import PREPARE, Repeat, job_key, model_title
from cnnbench.suite import question as questions
from cnnbench.suite.question import Question
from cnnbench.suite.suite import Suite

# Long lists multiply to more cells than can be measured or held in memory.
_MOST_CELLS = 100_000

Network = tuple[str, str, tuple[int, ...], int]
"""Model, variant, input shape and classes."""


@dataclass(frozen=True)
class Cell:
    """One place in the table: model × variant × probe × setting."""

    model: ModelInfo
    variant: str
    probe: str
    setting: Setting
    rule: StoppingRule

    @cached_property
    def input_and_classes(self) -> tuple[tuple[int, ...], int]:
        """The input shape and the number of classes of the network that is measured."""
        return self.setting.input_and_classes(self.model)

    @cached_property
    def setting_json(self) -> dict[str, Any]:
        """The setting as in records and keys."""
        return self.setting.model_dump(mode="json")

    @cached_property
    def key(self) -> str:
        """The name of the cell's folder under ``artifacts/`` and in ``logs/``."""
        return self._job_key(PREPARE)[:16]

    @cached_property
    def prepare(self) -> Job | None:
        """The job that runs once before the repeats; None if they need none."""
        return Job(self, PREPARE, self._job_key(PREPARE)) if self.setting.needs_prepare else None

    @cached_property
    def repeats(self) -> tuple[Job, ...]:
        """Jobs of the rounds or seeds that the cell may need, in order."""
        return tuple(Job(self, n, self._job_key(n)) for n in range(self.rule.at_most))

    def jobs(self) -> Iterator[Job]:
        """Yield every job that the cell may need, ``prepare`` first."""
        if self.prepare:
            yield self.prepare
        yield from self.repeats

    def _job_key(self, repeat: Repeat) -> str:
        return job_key(self.identity, self.variant, self.probe, self.setting_json, repeat)

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        """Identity of the model when planned; a user's file may change later."""
        return self.model.identity()

    @cached_property
    def columns(self) -> frozenset[str]:
        """The columns of the report that it may fill."""
        return frozenset(PROBES[self.probe].columns(self.setting))

    @cached_property
    def network(self) -> Network:
        """The row of the report that it belongs to."""
        input_shape, classes = self.input_and_classes
        return self.model.label, self.variant, tuple(input_shape), classes

    def shortened(self, epochs: int) -> Cell | None:
        """Return the cell of a short training, with two seeds; None if it has no more epochs."""
        setting = self.setting.shortened(epochs)
        if setting is None:
            return None
        return replace(self, setting=setting, rule=StoppingRule(at_least=2, at_most=2))

    def title(self) -> str:
        """Return for example ``MobileNetV2 latency cpu/litert/b1``."""
        return f"{model_title(self.model.label, self.variant)} {self.probe} {self.setting.label()}"


@dataclass(frozen=True)
class Job:
    """A cell × repeat: one process, one record."""

    cell: Cell
    repeat: Repeat
    key: str

    def title(self) -> str:
        """Return for example ``MobileNetV2 latency cpu/litert/b1, round 3``."""
        if self.repeat == PREPARE:
            return f"{self.cell.title()}, prepare"
        if self.cell.rule.at_most == 1:
            return self.cell.title()
        return f"{self.cell.title()}, {PROBES[self.cell.probe].repeat} {self.repeat + 1}"


@dataclass(frozen=True)
class Plan:
    """The cells of a suite.

    Attributes:
        suite: what was planned.
        cells: ordered by probe (as in `PROBES`), stage and model.
        probes: the suite's entries in that order, with the hashes of the files that they name.
        question: resolved, or None.
    """

    suite: Suite
    cells: tuple[Cell, ...]
    probes: tuple[tuple[str, Spec], ...]
    question: Question | None = None

    def without_question(self) -> Plan:
        """Return the plan to measure everything."""
        return replace(self, question=None)

    @cached_property
    def id(self) -> str:
        """sha256 of the keys of all cells, in any order.

        A suite that is only reordered, or has other limits or more seeds or rounds, continues the
        same run.
        """
        parts = sorted(cell.key for cell in self.cells)
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def part(self, only: Collection[str] = (), probes: Collection[str] = ()) -> tuple[Cell, ...]:
        """Return the cells of some models, or sweeps, and probes; an empty argument selects all.

        Raises:
            UserError: a model or probe that this suite does not have.
        """
        models = list({cell.model.label: cell.model for cell in self.cells}.values())
        probes_here = [cell.probe for cell in self.cells]
        select = self.suite.lookup.select
        wanted = {label for name in only for label in select(name, models, "--only", "this suite")}
        kinds = {one_of(name, probes_here, "--probe", "this suite") for name in probes}
        return tuple(
            cell
            for cell in self.cells
            if (not wanted or cell.model.label in wanted) and (not kinds or cell.probe in kinds)
        )

    def notes(self, cells: Iterable[Cell]) -> list[str]:
        """Return remarks on settings of the suite that do not apply to all models."""
        planned = {(cell.probe, cell.model.label) for cell in cells}
        found: dict[str, None] = {}
        for probe, spec in self.probes:
            models = [m for m in self.suite.models_of(spec) if (probe, m.label) in planned]
            found |= {f"{probe}, {note}": None for note in spec.notes(models)}
        left_out = {cell.model.label for cell in self.cells} - {label for _, label in planned}
        for probe, models in self._unserved().items():
            tasks = {m.label: m.task for m in models if m.label not in left_out}
            named = [
                f"{one} ({tasks[one]})" if one in tasks else one
                for one in model_name.by_architecture(tasks)
            ]
            if named:
                found[f"{probe}: no entry applies to {', '.join(named)}"] = None
        return list(found)

    def _unserved(self) -> dict[str, list[ModelInfo]]:
        """Return the models that no entry of a probe applies to.

        An entry that lists its models leaves out the others on purpose: a probe counts if one of
        its entries is for all.
        """
        served: dict[str, set[str]] = {}
        for probe, spec in self.probes:
            labels = {model.label for model in self.suite.models_of(spec)}
            served.setdefault(probe, set()).update(labels)
        for_all = {p for p, spec in self.probes if spec.names_unserved and spec.models is None}
        return {
            probe: [model for model in self.suite.models if model.label not in labels]
            for probe, labels in served.items()
            if probe in for_all
        }


def plan(suite: Suite, data_dir: Path | None = None) -> Plan:
    """Expand a suite into its cells.

    Args:
        suite: as `suite.load` returns it.
        data_dir: weights files are looked up in its ``weights/`` as well.

    Raises:
        UserError: settings that a model cannot take, and mistakes in files, all together; more
            cells than can be measured; or two cells with one column.
    """
    order = list(PROBES)
    cells: list[Cell] = []
    probes: list[tuple[str, Spec]] = []
    problems: list[UserError] = []
    for probe, spec, path in sorted(suite.entries(), key=lambda entry: order.index(entry[0])):
        try:
            spec = spec.located(suite.search_path, data_dir)
        except UserErrors as error:
            problems += error.errors
        except UserError as error:
            problems.append(error)
        probes.append((probe, spec))
        for misfit in spec.misfits(suite.listed(spec)):
            where = suite.where(path, misfit.key)
            problems.append(UserError(misfit.error.what, where, misfit.error.hint))
        for model in suite.models_of(spec):
            try:
                found = list(islice(spec.cells(model), _MOST_CELLS + 1 - len(cells)))
            except UserError as error:
                where = error.where or suite.where(path)
                problems.append(UserError(f"{model.label}: {error.what}", where, error.hint))
                continue
            cells.extend(
                Cell(model, setting.variant_name(), probe, setting, rule) for setting, rule in found
            )
            if len(cells) > _MOST_CELLS:
                where = suite.where(path)
                raise UserError(f"more than {_MOST_CELLS} cells; split the suite", where)
    question: Question | None = None
    if suite.question is not None:
        measured = dict.fromkeys(name for cell in cells for name in cell.columns)
        question, wrong = questions.resolved(suite.question, measured, suite.source.where)
        problems += wrong
    if question is not None and question.rungs:
        short = list(_rungs(question, cells))
        if not short:
            where = suite.source.where((questions.KEY, "rungs"))
            what = f"no training of {question.objective} is longer than {question.rungs[0]} epochs"
            problems.append(UserError(what, where, "omit rungs"))
        cells += short
    if problems:
        raise all_of(problems)
    cells.sort(key=lambda cell: (order.index(cell.probe), cell.setting.stage()))
    cells = _without_repeats(cells)
    if problems := list(_clashes(suite, cells)):
        raise all_of(problems)
    return Plan(suite, tuple(cells), tuple(probes), question)


def _rungs(question: Question, cells: Iterable[Cell]) -> Iterator[Cell]:
    """Yield the short trainings of cells that measure the question's objective."""
    for cell in cells:
        if question.objective in cell.columns:
            yield from (rung for n in question.rungs if (rung := cell.shortened(n)) is not None)


def _without_repeats(cells: list[Cell]) -> list[Cell]:
    """Merge cells with the same result into the first, with the strictest stopping rule.

    These are equal cells of several entries, and equal settings that do not depend on the model.
    """
    known: dict[str, Cell] = {}
    for cell in cells:
        if cell.setting.depends_on_model:
            key = cell.key
        else:
            key = job_key({}, cell.variant, cell.probe, cell.setting_json, PREPARE)
        twin = known.get(key)
        known[key] = replace(twin, rule=cell.rule.stricter(twin.rule)) if twin else cell
    return list(known.values())


def _clashes(suite: Suite, cells: Iterable[Cell]) -> Iterator[UserError]:
    """Yield an error for every cell whose place in the table another one has already."""
    known: dict[tuple[Any, ...], Cell] = {}
    for cell in cells:
        place = (cell.title(), cell.input_and_classes)
        twin = known.setdefault(place, cell)
        if twin is not cell:
            ours, theirs = cell.setting_json, twin.setting_json
            names = sorted(name for name in ours if ours[name] != theirs.get(name))
            yield UserError(
                f"two entries measure '{cell.title()}' and differ only in {', '.join(names)}, "
                "which its column does not show",
                suite.source.where(("probes", cell.probe)),
                "put them into two suites",
            )
