"""Mistakes in a suite: collected with their places, and what pydantic found wrong as sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from cnnbench.errors import UserError, UserErrors, all_of, nearest_or_all, shown
from cnnbench.schema import StrictModel
from cnnbench.suite.yaml_source import Path_, Source
from cnnbench.text import plural, pydantic_message

_F = TypeVar("_F", bound=BaseModel)
_T = TypeVar("_T")
_Item = dict[str, Any]  # one error of pydantic
_SHOULD_BE = "Input should be "
_MOST = 50


class Mistakes:
    """The mistakes found in a suite so far."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._found: list[tuple[int, UserError]] = []

    @property
    def are_too_many(self) -> bool:
        """Return whether checking more would only make the list longer."""
        return len(self._found) >= _MOST

    def add(self, what: str, path: Path_, hint: str = "") -> None:
        """Add a mistake at ``path``; ``what`` says which value is wrong."""
        self._add(UserError(what, self._source.where(path), hint), path)

    def attempt(self, look_up: Callable[[], _T], path: Path_, name: str) -> _T | None:
        """Return ``look_up()``, or None if it raises `UserError`, whose mistakes are added.

        ``name`` is what is looked up, for messages that do not quote it.
        """
        try:
            return look_up()
        except UserErrors as several:
            for one in several.errors:
                self.add(one.what, path, one.hint)
        except UserError as error:
            what = error.what if name in error.what else f"{name}: {error.what}"
            self.add(what, path, error.hint)
        return None

    def raise_all(self) -> None:
        """Raise all mistakes as one `UserError`, in the order of their lines, if there are any."""
        if self._found:
            self._found.sort(key=lambda found: found[0])
            raise all_of([error for _, error in self._found])

    def validated(
        self, schema: type[_F], data: Any, path: Path_, search_path: tuple[Path, ...] = ()
    ) -> _F | None:
        """Return ``data``, which is at ``path``, as an object of ``schema``; None if it is wrong.

        Files that it names are looked up in ``search_path``.
        """
        try:
            return schema.model_validate(data, context={"search_path": search_path})
        except ValidationError as error:
            for item in self._merged_items(error):
                self._add_item(schema, item, path)
            return None

    def _add(self, error: UserError, path: Path_) -> None:
        self._found.append((self._source.line(path), error))

    def _merged_items(self, error: ValidationError) -> Iterator[_Item]:
        """Yield the items of ``error``; messages of a union's branches are joined into one."""
        items: dict[Any, _Item] = {}
        for number, details in enumerate(error.errors()):
            item: _Item = dict(details)
            is_branch = item["msg"].startswith(_SHOULD_BE)
            place = tuple(filter(self._is_key, item["loc"])) if is_branch else number
            if place in items:
                items[place]["msg"] += f" or {item['msg'].removeprefix(_SHOULD_BE)}"
            else:
                items[place] = item
        yield from items.values()

    def _add_item(self, schema: type[BaseModel], item: _Item, path: Path_) -> None:
        """Add one error of pydantic as a sentence: ``limits.timeout: -1 should be ...``."""
        location: Path_ = tuple(item["loc"])
        at = (*path, *location)
        name = ".".join(str(part) for part in at if self._is_key(part)) or "the suite"
        # Without lines, the place of a value is its name, which each message has anyway.
        where = self._source.where(at if self._source.lines else ())
        match item["type"]:
            case "extra_forbidden":
                hint = nearest_or_all(str(location[-1]), _fields_at(schema, location[:-1]))
                error = UserError(f"unknown key '{name}'", where, hint)
            case "missing":
                error = UserError(f"'{name}' is missing", where)
            case _:
                error = UserError(_sentence(item), f"{where}: {name}", _hint(item))
        self._add(error, at)

    def _is_key(self, part: str | int) -> bool:
        """Return whether a part of a pydantic location is in the file (union branches are not)."""
        return isinstance(part, int) or part in self._source.keys or part.isidentifier()


def _sentence(item: _Item) -> str:
    """Return what is wrong with a value, which is quoted unless the message does so already."""
    message, value = pydantic_message(item), shown(item["input"])
    match item["type"]:
        case "model_type" | "dict_type":
            return f"{value} should be a mapping"
        case "string_pattern_mismatch":
            return f"{value} is not a valid name"
        case "too_short":
            return f"{value} should have at least {plural(item['ctx']['min_length'], 'item')}"
    if message.startswith("Input should"):
        return f"{value}{message.removeprefix('Input')}"
    # A message on a mapping is about several keys, which it names.
    is_clear = isinstance(item["input"], dict) or value in message
    message = f"{message[:1].lower()}{message[1:]}"
    return message if is_clear else f"{value}: {message}"


def _hint(item: _Item) -> str:
    if item["type"] == "string_pattern_mismatch":
        return "letters, digits, '-', '_' and '.', at most 64, no '/'"
    return ""


def _fields_at(schema: type[BaseModel], location: Path_) -> list[str]:
    for part in location:
        annotation = schema.model_fields[part].annotation if part in schema.model_fields else None
        kinds = get_args(annotation) or (annotation,)  # one of `X | None`
        models = [k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)]
        if not models:
            break
        schema = models[0]
    return schema.key_names() if issubclass(schema, StrictModel) else list(schema.model_fields)
