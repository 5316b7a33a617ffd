"""Read and check a suite (models × probes, and limits); report every mistake with its line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Protocol

from pydantic import Field, StringConstraints

from cnnbench.errors import UserError, nearest, nearest_or_all, one_of
from cnnbench.files import check_path
from cnnbench.models.handle import ModelInfo
from cnnbench.plugins import PROBES
from cnnbench.probes.settings import Spec
from cnnbench.schema import Bytes, Seconds, StrictModel
from cnnbench.suite import yaml_source
from cnnbench.suite.mistakes import Mistakes
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
        source: the document, for the places of mistakes.
        search_path: folders in which files are looked up, the suite's own first.
    """

    name: str
    description: str
    models: tuple[ModelInfo, ...]
    probes: tuple[tuple[str, Spec], ...]
    limits: Limits
    source: Source
    search_path: tuple[Path, ...]

    def entries(self) -> Iterator[tuple[str, Spec, Path_]]:
        """Yield the probe and settings of each entry, and its path in the document."""
        data = self.source.data if isinstance(self.source.data, dict) else {}
        written = data.get("probes", {})
        counts: dict[str, int] = {}
        for probe, spec in self.probes:
            place = counts[probe] = counts.get(probe, -1) + 1
            is_list = isinstance(written.get(probe), list)
            yield probe, spec, ("probes", probe, place) if is_list else ("probes", probe)

    def listed(self, spec: Spec) -> tuple[ModelInfo, ...]:
        """Return the models that an entry lists, else all."""
        if spec.models is None:
            return self.models
        return tuple(model for model in self.models if model.label in spec.models)

    def models_of(self, spec: Spec) -> tuple[ModelInfo, ...]:
        """Return the models that an entry applies to: those it lists, else all that it serves."""
        return tuple(model for model in self.listed(spec) if spec.serves(model))


def load(suite: SuiteSource, catalogue: Catalogue) -> Suite:
    """Read, check and resolve a suite.

    Args:
        suite: a YAML file, the name of a suite that comes with the package, YAML text (of several
            lines), or a dictionary.
        catalogue: where model names are looked up.

    Raises:
        UserError: the mistakes in it, all together, each with its line, or with its keys in a
            dictionary.
    """
    if isinstance(suite, Mapping):
        return check(yaml_source.of_dictionary(suite, _NAMELESS), catalogue, (Path.cwd(),))
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
    mistakes = Mistakes(source)
    top = mistakes.validated(_Top, source.data, ())
    models = tuple(_models(source.data.get("models"), catalogue, search_path, mistakes))
    probes = tuple(_probes(source.data.get("probes"), models, search_path, mistakes))
    mistakes.raise_all()
    assert top is not None  # else there is a mistake
    return Suite(top.name, top.description, models, probes, top.limits, source, search_path)


def _models(
    names: Any, catalogue: Catalogue, search_path: tuple[Path, ...], mistakes: Mistakes
) -> Iterator[ModelInfo]:
    seen: dict[str, str] = {}
    for index, text in enumerate(names if isinstance(names, list) else []):
        if not isinstance(text, str):
            continue  # the schema reports it
        if mistakes.are_too_many:
            mistakes.add("too many mistakes; the rest is not checked", ("models",))
            return
        path: Path_ = ("models", index)
        model = mistakes.attempt(partial(catalogue.resolve, text, search_path), path, text)
        if model is None:
            continue
        if model.label in seen:
            mistakes.add(f"'{text}' is the same model as '{seen[model.label]}'", path)
        seen[model.label] = text
        yield model


def _probes(
    probes: Any, models: Sequence[ModelInfo], search_path: tuple[Path, ...], mistakes: Mistakes
) -> Iterator[tuple[str, Spec]]:
    for name, entries in (probes if isinstance(probes, dict) else {}).items():
        path: Path_ = ("probes", str(name))
        if name not in PROBES:
            mistakes.add(f"unknown probe '{name}'", path, nearest_or_all(str(name), PROBES))
            continue
        as_list = isinstance(entries, list)
        if as_list and not entries:
            mistakes.add(f"'{name}' is an empty list", path)
        for index, entry in enumerate(entries if as_list else [entries]):
            at = (*path, index) if as_list else path
            data = {} if entry is None else entry
            spec = mistakes.validated(PROBES[name].spec, data, at, search_path)
            if spec is not None:
                yield name, _for_models(spec, models, at, mistakes)


def _for_models(spec: Spec, models: Sequence[ModelInfo], path: Path_, mistakes: Mistakes) -> Spec:
    """Return ``spec`` with its models as labels."""
    if spec.models is None:
        return spec
    labels = [model.label for model in models]
    by_text = {model.text: model.label for model in models}
    named: list[str] = []
    for index, text in enumerate(spec.models):
        look_up = partial(one_of, by_text.get(text, text), labels, "", "the suite's models")
        label = mistakes.attempt(look_up, (*path, "models", index), text)
        named += [label] if label is not None else []
    return spec.model_copy(update={"models": named})
