"""Mistakes in a suite: what pydantic found wrong, as sentences with their lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from cnnbench.errors import UserError, nearest_or_all, shown
from cnnbench.suite.yaml_source import Path_, Source

_F = TypeVar("_F", bound=BaseModel)
_Item = dict[str, Any]  # one error of pydantic
_SHOULD_BE = "Input should be "


def validated(
    schema: type[_F],
    data: Any,
    path: Path_,
    source: Source,
    problems: list[UserError],
    search_path: tuple[Path, ...] = (),
) -> _F | None:
    """Return ``data`` as an object of ``schema``; None if it is wrong, which adds to ``problems``.

    Args:
        schema: of this part of the suite.
        data: as YAML gives it.
        path: where in the suite it lies.
        source: the suite, for the lines of mistakes.
        problems: every mistake so far.
        search_path: where files that it names are looked up.
    """
    try:
        return schema.model_validate(data, context={"search_path": search_path})
    except ValidationError as error:
        problems.extend(
            _as_user_error(schema, item, path, source) for item in _merged_items(error, source)
        )
        return None


def _merged_items(error: ValidationError, source: Source) -> list[_Item]:
    """Return the items of ``error``, with the messages of a union's branches joined into one."""
    found: list[_Item] = []
    first_at: dict[Path_, _Item] = {}
    for details in error.errors():
        item: _Item = dict(details)
        place = tuple(part for part in item["loc"] if _is_key(part, source))
        is_branch = item["msg"].startswith(_SHOULD_BE)
        if is_branch and place in first_at:
            first_at[place]["msg"] += f" or {item['msg'].removeprefix(_SHOULD_BE)}"
            continue
        found.append(item)
        if is_branch:
            first_at[place] = item
    return found


def _as_user_error(schema: type[BaseModel], item: _Item, path: Path_, source: Source) -> UserError:
    """Return one pydantic error as a sentence with its line."""
    location: Path_ = tuple(item["loc"])
    name = ".".join(str(part) for part in (*path, *location) if _is_key(part, source))
    where = source.where((*path, *location))
    match item["type"]:
        case "extra_forbidden":
            fields = _fields_at(schema, location[:-1])
            hint = nearest_or_all(str(location[-1]), fields)
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
    if isinstance(item["input"], dict):  # about several keys together, which the message names
        return UserError(f"'{name}': {message}", where)
    return UserError(
        f"'{name}' is {shown(item['input'])}: {message[:1].lower()}{message[1:]}", where
    )


def _is_key(part: str | int, source: Source) -> bool:
    """Return whether a part of a pydantic location is in the file (union branches are not)."""
    return isinstance(part, int) or part in source.keys or part.isidentifier()


def _fields_at(schema: type[BaseModel], location: Path_) -> list[str]:
    for part in location:
        annotation = schema.model_fields[part].annotation if part in schema.model_fields else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            break
        schema = annotation
    return list(schema.model_fields)
