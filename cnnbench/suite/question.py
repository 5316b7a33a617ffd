"""Question of a suite: which network is best by one metric, within limits on others.

Names are looked up among the columns that the plan measures, so that a mistake is found before
anything runs. A resolved question has exact columns and values in base units; the run's folder
keeps it, for tables made later.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from cnnbench import units
from cnnbench.data.datasets import short_name
from cnnbench.errors import UserError
from cnnbench.metrics import METRICS, Metric, column, of_number, resolve, split
from cnnbench.results import run_files
from cnnbench.schema import Distinct, StrictModel
from cnnbench.suite.yaml_source import Path_

FILE_NAME = "question.json"  # in a run's folder
KEY = "question"  # in a suite
Sense = Literal["maximize", "minimize"]
_MOST_BYTES = 2**18

_Value = Annotated[str, Field(strict=True)] | Annotated[float, Field(strict=True)]
_Epochs = Annotated[int, Field(strict=True, ge=1, le=10000)]


class Question(StrictModel):
    """``question: {maximize: top1, max: {latency_p90@cpu/litert/b1: 15ms, file: 6MB}}``

    Attributes:
        maximize, minimize: the metric that decides; exactly one of the two.
        max, min: metric -> limit.
        rungs: epochs of short trainings after which networks that are far behind are left out.
    """

    maximize: str | None = None
    minimize: str | None = None
    max: dict[str, _Value] = {}
    min: dict[str, _Value] = {}
    rungs: Annotated[list[_Epochs], Distinct] = []

    @model_validator(mode="after")
    def _has_one_objective(self) -> Self:
        if (self.maximize is None) == (self.minimize is None):
            raise ValueError("exactly one of maximize and minimize says what decides")
        if self.rungs != sorted(self.rungs):
            raise ValueError("rungs: the epochs of short trainings, the shortest first")
        return self

    @property
    def sense(self) -> Sense:
        return "maximize" if self.maximize is not None else "minimize"

    @property
    def objective(self) -> str:
        """The metric that decides."""
        return self.maximize or self.minimize or ""

    @property
    def limits(self) -> Iterator[tuple[Literal["max", "min"], str, str | float]]:
        """Side, metric and value of every limit."""
        yield from (("max", name, value) for name, value in self.max.items())
        yield from (("min", name, value) for name, value in self.min.items())

    @property
    def columns(self) -> tuple[str, ...]:
        """The metrics that decide, the objective first, each once."""
        return tuple(dict.fromkeys([self.objective, *self.max, *self.min]))

    def to_json(self) -> str:
        """Return it as JSON of the same form as in a suite."""
        return self.model_dump_json(exclude_defaults=True)


def resolved(
    asked: Question, columns: Collection[str], where: Callable[[Path_], str]
) -> tuple[Question | None, list[UserError]]:
    """Return the question with exact columns and limits in base units, or the mistakes in it.

    Args:
        asked: as a suite has it.
        columns: all that the suite will measure.
        where: ``Source.where`` of the suite.
    """
    problems: list[UserError] = []
    found: dict[str, dict[str, float]] = {"max": {}, "min": {}}
    objective = ""
    try:
        objective = _column(asked.objective, columns, where((KEY, asked.sense)))
    except UserError as error:
        problems.append(error)
    for side, name, text in asked.limits:
        place = where((KEY, side, name))
        try:
            wanted = _column(name, columns, place)
            if wanted in found[side]:
                raise UserError(f"'{name}' limits {wanted} again", place, "give one limit")
            # As text: a bare number of bytes or seconds is a forgotten unit.
            text = text if isinstance(text, str) else f"{text:.15g}"
            found[side][wanted] = limit_value(name, text, METRICS[split(wanted)[0]], place)
        except UserError as error:
            problems.append(error)
    for name in found["max"].keys() & found["min"].keys():
        if found["min"][name] > found["max"][name]:
            what = f"no value of {name} can keep both limits"
            problems.append(UserError(what, where((KEY, "min")), "min is larger than max"))
    if problems:
        return None, problems
    update = {asked.sense: objective, **found}
    return asked.model_copy(update=update), []


def _column(name: str, columns: Collection[str], where: str) -> str:
    base, label = split(name)
    if label.partition("/")[0].partition(":")[1]:  # a data set as suites name it: folder:photos
        name = column(base, short_name(label))
    try:
        return resolve(name, columns, where)
    except UserError as error:
        what = error.what.replace(
            f"no metric '{name}' in this table", f"no cell of this suite measures '{name}'"
        )
        raise UserError(what, where, error.hint.replace("this table has", "it measures")) from None


def limit_value(name: str, text: str | float, metric: Metric, where: str) -> float:
    """Return a limit in base units.

    Raises:
        UserError: a unit that does not fit the metric, or a value that it cannot have.
    """
    limit = units.parse(text, metric.unit, f"{where} {name}")
    if limit < 0 or (metric.unit == "fraction" and limit > 1):
        valid = "0 to 100 %, for example 92% or 0.92" if metric.unit == "fraction" else "0 or more"
        raise UserError(
            f"{metric.title} cannot be {units.show(limit, metric.unit)}", where, f"expected {valid}"
        )
    return limit


def read(folder: Path) -> Question | None:
    """Return the question of the run in ``folder``; None if it has none that can be read."""
    try:
        found = Question.model_validate_json(run_files.read_text(folder / FILE_NAME, _MOST_BYTES))
    except (OSError, ValueError, ValidationError):
        return None
    limits = [value for _, _, value in found.limits]
    are_known = all(of_number(name) for name in found.columns)
    return found if are_known and all(isinstance(v, float | int) for v in limits) else None


def in_words(question: Question, names: Sequence[str] = ()) -> str:
    """Return ``highest top1@digits with file_bytes ≤ 6 MB``.

    Args:
        question: resolved.
        names: of its columns, if shorter ones are to be shown, in the order of `Question.columns`.
    """
    shown = dict(zip(question.columns, names or question.columns, strict=True))
    best = "highest" if question.sense == "maximize" else "lowest"
    signs = {"max": "≤", "min": "≥"}
    limits = [
        f"{shown[name]} {signs[side]} {units.show(float(value), METRICS[split(name)[0]].unit)}"
        for side, name, value in question.limits
    ]
    words = f"{best} {shown[question.objective]}"
    return f"{words} with {' and '.join(limits)}" if limits else words
