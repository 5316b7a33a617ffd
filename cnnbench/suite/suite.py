"""A suite: models × probes, and limits. YAML in, `Suite` out, every mistake with its line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Protocol, TypeVar

from pydantic import BaseModel, Field, StringConstraints, ValidationError

from cnnbench.errors import UserError, UserErrors, all_of, nearest, one_of, shown
from cnnbench.files import seen
from cnnbench.models.handle import ModelInfo
from cnnbench.plugins import PROBES
from cnnbench.probes.settings import Spec
from cnnbench.schema import Bytes, Seconds, StrictModel
from cnnbench.suite import yaml_source
from cnnbench.suite.yaml_source import Path_, Source


class Catalogue(Protocol):
    """Where model names are looked up."""

    def resolve(self, text: str, search_path: Sequence[Path]) -> ModelInfo:
        """The model that ``text`` names, or a `UserError`."""


class Limits(StrictModel):
    """What a job or a cell may use.

    Attributes:
        timeout: seconds a job may take.
        memory: bytes a worker may use.
        cell: seconds that the repeats of one cell may take in all, or None.
    """

    timeout: Seconds = 600.0
    memory: Bytes = 8 * 2**30
    cell: Seconds | None = None


# The suites that come with the package.
SHIPPED = Path(__file__).parents[1] / "suites"

_MOST_PROBLEMS = 50

_F = TypeVar("_F", bound=BaseModel)
_Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


class _Top(StrictModel):
    name: _Name
    description: str = ""
    models: Annotated[list[str], Field(min_length=1)]
    probes: Annotated[dict[str, Any], Field(min_length=1)]
    limits: Limits = Limits()


@dataclass(frozen=True)
class Suite:
    """A suite that can be planned."""

    name: str
    description: str
    models: tuple[ModelInfo, ...]
    probes: tuple[tuple[str, Spec], ...]
    limits: Limits
    source: Source
    search_path: tuple[Path, ...]

    def models_of(self, spec: Spec) -> tuple[ModelInfo, ...]:
        """The models that a form of a probe is for: those it names, else all."""
        if spec.models is None:
            return self.models
        return tuple(model for model in self.models if model.label in spec.models)


def load(file: Path, catalogue: Catalogue) -> Suite:
    """Read, check and resolve the suite in ``file``, or the one of that name that is shipped.

    Raises:
        UserError: one or more mistakes, all of them, each with its line.
    """
    file = _shipped(file) or file
    search_path = (file.resolve().parent, Path.cwd())
    return check(yaml_source.read(file), catalogue, search_path)


def _shipped(name: Path) -> Path | None:
    """The suite ``smoke`` that comes with the package, where no file is called so."""
    if seen(name.exists) or len(name.parts) != 1 or name.suffix:
        return None
    suites = {file.stem: file for file in sorted(SHIPPED.glob("*.yaml"))}
    if str(name) not in suites:
        hint = nearest(str(name), suites) or f"a YAML file, or one of: {', '.join(suites)}"
        raise UserError(f"no suite '{name}'", hint=hint)
    return suites[str(name)]


def check(source: Source, catalogue: Catalogue, search_path: tuple[Path, ...] = ()) -> Suite:
    """`load` for a document that is already read."""
    if not isinstance(source.data, dict):
        raise UserError(
            "a suite is a mapping with name, models and probes", source.where(), "see suites/"
        )
    problems: list[UserError] = []
    top = _validated(_Top, source.data, (), source, problems)
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
            continue  # already reported by the schema
        if len(problems) >= _MOST_PROBLEMS:
            problems.append(
                UserError("too many mistakes to look further", source.where(("models",)))
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
            problems.append(UserError(f"'{text}' is '{seen[model.label]}' again", where))
        seen[model.label] = text
        yield model


def _probes(
    source: Source,
    models: Sequence[ModelInfo],
    search_path: tuple[Path, ...],
    problems: list[UserError],
) -> Iterator[tuple[str, Spec]]:
    probes = source.data.get("probes")
    for name, forms in (probes if isinstance(probes, dict) else {}).items():
        path: Path_ = ("probes", str(name))
        if name not in PROBES:
            hint = nearest(str(name), PROBES) or "one of: " + ", ".join(PROBES)
            problems.append(UserError(f"unknown probe '{name}'", source.where(path), hint))
            continue
        as_list = isinstance(forms, list)
        if as_list and not forms:
            problems.append(UserError(f"'{name}' is an empty list", source.where(path)))
        for index, form in enumerate(forms if as_list else [forms]):
            form_path = (*path, index) if as_list else path
            spec = _validated(
                PROBES[name].spec,
                {} if form is None else form,
                form_path,
                source,
                problems,
                search_path,
            )
            if spec is not None:
                yield name, _for_models(spec, models, source, form_path, problems)


def _for_models(
    spec: Spec, models: Sequence[ModelInfo], source: Source, path: Path_, problems: list[UserError]
) -> Spec:
    """The same with the models it names by their labels; one that the suite lacks is a problem."""
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


_SHOULD_BE = "Input should be "


def _validated(
    form: type[_F],
    data: Any,
    path: Path_,
    source: Source,
    problems: list[UserError],
    search_path: tuple[Path, ...] = (),
) -> _F | None:
    try:
        return form.model_validate(data, context={"search_path": search_path})
    except ValidationError as error:
        problems.extend(_worded(form, item, path, source) for item in _joined(error, source))
        return None


def _joined(error: ValidationError, source: Source) -> list[Any]:
    """The items of ``error``; what every branch of a union says of one value is one of them."""
    found: list[Any] = []
    first_at: dict[Any, Any] = {}
    for item in error.errors():
        place = tuple(part for part in item["loc"] if _is_key(part, source))
        is_branch = item["msg"].startswith(_SHOULD_BE)
        if is_branch and place in first_at:
            first_at[place]["msg"] += f" or {item['msg'].removeprefix(_SHOULD_BE)}"
            continue
        found.append(item)
        if is_branch:
            first_at[place] = item
    return found


def _worded(form: type[BaseModel], item: Any, path: Path_, source: Source) -> UserError:
    """One pydantic error as a sentence with its line."""
    location: Path_ = tuple(item["loc"])
    name = ".".join(str(part) for part in (*path, *location) if _is_key(part, source))
    where = source.where((*path, *location))
    match item["type"]:
        case "extra_forbidden":
            fields = _fields_at(form, location[:-1])
            hint = nearest(str(location[-1]), fields) or "one of: " + ", ".join(fields)
            return UserError(f"unknown key '{name}'", where, hint)
        case "missing":
            return UserError(f"'{name}' is missing", where)
        case "model_type" | "dict_type":
            return UserError(f"'{name or 'the suite'}' should be a mapping", where)
        case "string_pattern_mismatch":
            return UserError(
                f"{item['input']!r} cannot be '{name}'",
                where,
                "letters, digits, '-', '_' and '.', at most 64, no '/'",
            )
    message = item["msg"].removeprefix("Value error, ")
    if isinstance(item["input"], dict):  # of several keys together: the message names them
        return UserError(f"'{name}': {message}", where)
    return UserError(
        f"'{name}' is {shown(item['input'])}: {message[:1].lower()}{message[1:]}", where
    )


def _is_key(part: str | int, source: Source) -> bool:
    """Whether a part of a pydantic location stands in the file (union branches do not)."""
    return isinstance(part, int) or part in source.keys or part.isidentifier()


def _fields_at(form: type[BaseModel], location: Path_) -> list[str]:
    for part in location:
        annotation = form.model_fields[part].annotation if part in form.model_fields else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            break
        form = annotation
    return list(form.model_fields)


def _line_of(where: str) -> int:
    line = where.rpartition(":")[2]
    return int(line) if line.isdigit() else 0
