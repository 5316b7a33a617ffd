"""Read and check a suite (models × probes, and limits); report every mistake with its line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Protocol

from pydantic import Field, StringConstraints

from cnnbench.errors import (
    UserError,
    UserErrors,
    all_of,
    nearest,
    nearest_or_all,
    one_of,
)
from cnnbench.files import check_path
from cnnbench.models.handle import ModelInfo
from cnnbench.plugins import PROBES
from cnnbench.probes.settings import Spec
from cnnbench.schema import Bytes, Seconds, StrictModel
from cnnbench.suite import yaml_source
from cnnbench.suite.mistakes import validated
from cnnbench.suite.yaml_source import Path_, Source


class Catalogue(Protocol):
    """Look-up of models by name, for example the module `cnnbench.models.registry`."""

    def resolve(self, text: str, search_path: Sequence[Path]) -> ModelInfo:
        """Return the model ``text``; raise `UserError` if there is none."""


class Limits(StrictModel):
    """Limits of jobs and cells.

    Attributes:
        timeout: seconds per job.
        memory: bytes per worker.
        cell: total seconds for the repeats of one cell, or None.
    """

    timeout: Seconds = 600.0
    memory: Bytes = 8 * 2**30
    cell: Seconds | None = None


# Suites included in the package.
SHIPPED = Path(__file__).parents[1] / "suites"

SuiteSource = Path | str | Mapping[str, Any]

_NAMELESS = "suite"  # in messages about a suite that is in no file
_MOST_PROBLEMS = 50

_Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


class _Top(StrictModel):
    name: _Name
    description: str = ""
    models: Annotated[list[str], Field(min_length=1)]
    probes: Annotated[dict[str, Any], Field(min_length=1)]
    limits: Limits = Limits()


@dataclass(frozen=True)
class Suite:
    """A checked suite, ready to be planned.

    Attributes:
        name: names the folder of its runs.
        description: one sentence for reports.
        models: in the order of the file.
        probes: name and settings of each entry; a probe may have several entries.
        limits: of jobs and cells.
        source: the document, for the line numbers in messages.
        search_path: folders in which files are looked up, the suite's own first.
    """

    name: str
    description: str
    models: tuple[ModelInfo, ...]
    probes: tuple[tuple[str, Spec], ...]
    limits: Limits
    source: Source
    search_path: tuple[Path, ...]

    def models_of(self, spec: Spec) -> tuple[ModelInfo, ...]:
        """Return the models that an entry applies to: those it lists, else all."""
        if spec.models is None:
            return self.models
        return tuple(model for model in self.models if model.label in spec.models)


def load(suite: SuiteSource, catalogue: Catalogue) -> Suite:
    """Read, check and resolve a suite.

    Args:
        suite: a YAML file, the name of a suite that comes with the package, YAML text (of several
            lines), or a dictionary; the lines of a dictionary are those of its YAML.
        catalogue: where model names are looked up.

    Raises:
        UserError: the mistakes in it, all together, each with its line.
    """
    if isinstance(suite, Mapping):
        return check(yaml_source.dumped(suite, _NAMELESS), catalogue, (Path.cwd(),))
    if isinstance(suite, str) and "\n" in suite:
        return check(yaml_source.parse(suite, _NAMELESS), catalogue, (Path.cwd(),))
    file = Path(suite)
    file = _shipped(file) or file
    search_path = (file.resolve().parent, Path.cwd())
    return check(yaml_source.read(file), catalogue, search_path)


def _shipped(name: Path) -> Path | None:
    """Return the file of an included suite (``smoke``); None if ``name`` is a path.

    Raises:
        UserError: neither a file nor an included suite.
    """
    if check_path(name.exists) or len(name.parts) != 1 or name.suffix:
        return None
    suites = {file.stem: file for file in sorted(SHIPPED.glob("*.yaml"))}
    if str(name) not in suites:
        hint = nearest(str(name), suites) or f"a YAML file, or one of: {', '.join(suites)}"
        raise UserError(f"no suite '{name}'", hint=hint)
    return suites[str(name)]


def check(source: Source, catalogue: Catalogue, search_path: tuple[Path, ...] = ()) -> Suite:
    """Check a document that was read already; see `load`."""
    if not isinstance(source.data, dict):
        raise UserError(
            "a suite is a mapping with name, models and probes", source.where(), "see suites/"
        )
    problems: list[UserError] = []
    top = validated(_Top, source.data, (), source, problems)
    models = list(_models(source, catalogue, search_path, problems))
    probes = list(_probes(source, models, search_path, problems))
    if problems or top is None:
        problems.sort(key=lambda problem: _line_of(problem.where))
        raise all_of(problems)
    return Suite(
        name=top.name,
        description=top.description,
        models=tuple(models),
        probes=tuple(probes),
        limits=top.limits,
        source=source,
        search_path=search_path,
    )


def _models(
    source: Source,
    catalogue: Catalogue,
    search_path: tuple[Path, ...],
    problems: list[UserError],
) -> Iterator[ModelInfo]:
    names = source.data.get("models")
    seen: dict[str, str] = {}
    for index, text in enumerate(names if isinstance(names, list) else []):
        if not isinstance(text, str):
            continue  # the schema reports it
        if len(problems) >= _MOST_PROBLEMS:
            problems.append(
                UserError("too many mistakes; the rest is not checked", source.where(("models",)))
            )
            return
        where = source.where(("models", index))
        try:
            model = catalogue.resolve(text, search_path)
        except UserErrors as several:
            problems.extend(UserError(e.what, where, e.hint) for e in several.errors)
            continue
        except UserError as error:
            name = "" if text in error.what else f"{text}: "
            problems.append(UserError(f"{name}{error.what}", where, error.hint))
            continue
        if model.label in seen:
            problems.append(
                UserError(f"'{text}' is the same model as '{seen[model.label]}'", where)
            )
        seen[model.label] = text
        yield model


def _probes(
    source: Source,
    models: Sequence[ModelInfo],
    search_path: tuple[Path, ...],
    problems: list[UserError],
) -> Iterator[tuple[str, Spec]]:
    probes = source.data.get("probes")
    for name, entries in (probes if isinstance(probes, dict) else {}).items():
        path: Path_ = ("probes", str(name))
        if name not in PROBES:
            hint = nearest_or_all(str(name), PROBES)
            problems.append(UserError(f"unknown probe '{name}'", source.where(path), hint))
            continue
        as_list = isinstance(entries, list)
        if as_list and not entries:
            problems.append(UserError(f"'{name}' is an empty list", source.where(path)))
        for index, entry in enumerate(entries if as_list else [entries]):
            entry_path = (*path, index) if as_list else path
            spec = validated(
                PROBES[name].spec,
                {} if entry is None else entry,
                entry_path,
                source,
                problems,
                search_path,
            )
            if spec is not None:
                yield name, _for_models(spec, models, source, entry_path, problems)


def _for_models(
    spec: Spec, models: Sequence[ModelInfo], source: Source, path: Path_, problems: list[UserError]
) -> Spec:
    """Return ``spec`` with its models as labels; append unknown ones to ``problems``."""
    if spec.models is None:
        return spec
    labels = [model.label for model in models]
    by_text = {model.text: model.label for model in models}
    named: list[str] = []
    for index, text in enumerate(spec.models):
        where = source.where((*path, "models", index))
        try:
            named.append(one_of(by_text.get(text, text), labels, where, "the suite's models"))
        except UserError as error:
            problems.append(error)
    return spec.model_copy(update={"models": named})


def _line_of(where: str) -> int:
    line = where.rpartition(":")[2]
    return int(line) if line.isdigit() else 0
