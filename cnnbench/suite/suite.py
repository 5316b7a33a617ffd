"""Read and check a suite (models × probes, and limits); report every mistake with its line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from cnnbench.errors import UserError, nearest, nearest_or_all
from cnnbench.files import check_path
from cnnbench.models.handle import ModelInfo
from cnnbench.plugins import PROBES
from cnnbench.probes.settings import Spec
from cnnbench.schema import Bytes, Seconds, StrictModel
from cnnbench.suite import model_list, yaml_source
from cnnbench.suite.mistakes import Mistakes
from cnnbench.suite.model_list import Catalogue, Lookup
from cnnbench.suite.question import Question
from cnnbench.suite.yaml_source import Path_, Source


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
    """The keys of a suite; its models and entries are checked one by one afterwards.

    Attributes:
        name: names the folder of its runs: letters, digits, ``-``, ``_`` and ``.``.
        description: one sentence for reports.
        models: a list of names, sweeps and grids, or a single grid; see below.
        probes: an entry, or a list of entries, for each probe.
        limits: of jobs and cells; see below.
        question: what the suite is run for; the run then leaves out what can no longer win.
    """

    name: _Name
    description: str = ""
    models: Any
    probes: Annotated[dict[str, Any], Field(min_length=1)]
    limits: Limits = Limits()
    question: Question | None = None


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
        lookup: resolves further names of models, as those of ``--only``.
        listed_at: for entries whose ``models`` has sweeps, which item names each of the labels.
        question: as it is written; `plan` looks its metrics up.
    """

    name: str
    description: str
    models: tuple[ModelInfo, ...]
    probes: tuple[tuple[str, Spec], ...]
    limits: Limits
    source: Source
    lookup: Lookup
    listed_at: Mapping[Path_, Sequence[int]] = field(default_factory=dict)
    question: Question | None = None

    @property
    def search_path(self) -> tuple[Path, ...]:
        """Folders in which files are looked up, the suite's own first."""
        return self.lookup.search_path

    def entries(self) -> Iterator[tuple[str, Spec, Path_]]:
        """Yield the probe and settings of each entry, and its path in the document."""
        data = self.source.data if isinstance(self.source.data, dict) else {}
        written = data.get("probes", {})
        counts: dict[str, int] = {}
        for probe, spec in self.probes:
            place = counts[probe] = counts.get(probe, -1) + 1
            is_list = isinstance(written.get(probe), list)
            yield probe, spec, ("probes", probe, place) if is_list else ("probes", probe)

    def where(self, entry: Path_, key: Path_ = ()) -> str:
        """Return the place of a value of an entry, which is at the path ``entry``."""
        if key[:1] == ("models",) and isinstance(key[-1], int) and entry in self.listed_at:
            key = ("models", self.listed_at[entry][key[-1]])
        return self.source.where((*entry, *key))

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
    lookup = Lookup(catalogue, search_path)
    top = mistakes.validated(_Top, source.data, ())
    known = "models" in source.data
    models = tuple(model_list.models(source.data["models"], lookup, mistakes)) if known else ()
    listed_at: dict[Path_, Sequence[int]] = {}
    probes: list[tuple[str, Spec]] = []
    for name, spec, path in _probes(source.data.get("probes"), search_path, mistakes):
        labels = _labels(spec, models, lookup, path, mistakes)
        if labels is not None:
            listed_at[path] = list(labels.values())
            spec = spec.model_copy(update={"models": list(labels)})
        probes.append((name, spec))
    mistakes.raise_all()
    assert top is not None  # else there is a mistake
    return Suite(
        top.name,
        top.description,
        models,
        tuple(probes),
        top.limits,
        source,
        lookup,
        listed_at,
        top.question,
    )


def _probes(
    probes: Any, search_path: tuple[Path, ...], mistakes: Mistakes
) -> Iterator[tuple[str, Spec, Path_]]:
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
                yield name, spec, at


def _labels(
    spec: Spec, models: Sequence[ModelInfo], lookup: Lookup, path: Path_, mistakes: Mistakes
) -> dict[str, int] | None:
    """Return the labels of the models that an entry lists, each with its place in the list."""
    if spec.models is None:
        return None
    named: dict[str, int] = {}
    for index, text in enumerate(spec.models):
        look_up = partial(lookup.select, text, models, "", "the suite's models")
        for label in mistakes.attempt(look_up, (*path, "models", index), text) or ():
            named.setdefault(label, index)
    return named
